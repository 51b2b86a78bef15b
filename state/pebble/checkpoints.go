package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"slices"
	"strconv"
	"strings"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/state"
)

// orderName is a file in each checkpoint with a number that is higher than
// those of the checkpoints that were there when it was made: times of files do
// not survive copying, and clocks go back.
const orderName = "CHECKPOINT"

// Checkpoint makes one of hard links, but for what is still in the log or
// changes: that is written anew, so that nothing in a checkpoint depends on a
// log. It is opened before it gets its name.
func (b *backend) Checkpoint(ctx context.Context, name string) error {
	if err := b.checkpoint(ctx, name); err != nil {
		return fmt.Errorf("make checkpoint %q of the state in %s: %w", name, b.store.Path, explain(err))
	}
	return nil
}

func (b *backend) checkpoint(ctx context.Context, name string) error {
	if !validName(name) {
		return errors.New("a checkpoint's name has letters, digits, dots, dashes and underscores, and begins with a letter or digit")
	}
	leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	b.making.Lock()
	defer b.making.Unlock()
	s := b.store
	dir, tmp := s.checkpoint(name), s.checkpoint(tmpPrefix+name)
	if there, err := s.exists(dir); err != nil {
		return err
	} else if there {
		return fmt.Errorf("%s is there already: drop it first", dir)
	}
	if err := makeDir(s.fs(), s.at(checkpointsName)); err != nil {
		return err
	}
	if err := b.checkpointInto(ctx, tmp); err != nil {
		// What cannot be removed now is removed by the next Open.
		_ = s.fs().RemoveAll(tmp)
		return err
	}
	failpoint.At("checkpoint/before-rename")
	err = s.rename(tmp, dir)
	failpoint.At("checkpoint/after-rename")
	return err
}

func (b *backend) checkpointInto(ctx context.Context, tmp string) error {
	s := b.store
	if err := s.fs().RemoveAll(tmp); err != nil {
		return err
	}
	failpoint.At("checkpoint/before-link")
	if err := b.writeManifest(ctx); err != nil {
		return err
	}
	if err := b.linkInto(tmp); err != nil {
		return err
	}
	failpoint.At("checkpoint/after-link")
	if err := ctx.Err(); err != nil {
		return err
	}
	order, err := s.newestOrder()
	if err != nil {
		return err
	}
	if err := writeFile(s.fs(), s.fs().PathJoin(tmp, orderName), strconv.FormatUint(order+1, 10)+"\n"); err != nil {
		return err
	}
	// Opening it writes what is in the log to a table.
	d, err := s.openDatabase(tmp, func(o *pdb.Options) { o.DisableAutomaticCompactions = true })
	if err != nil {
		return err
	}
	if err := d.close(); err != nil {
		return err
	}
	if err := vouch(s.fs(), tmp); err != nil {
		return err
	}
	return syncDir(s.fs(), tmp)
}

// writeManifest makes Pebble write to its manifest once: of one that it has only
// read, as where a start found no log, it would put nothing into a checkpoint.
func (b *backend) writeManifest(ctx context.Context) error {
	if b.written {
		return nil
	}
	err := b.flush(ctx)
	b.written = err == nil
	return err
}

// linkInto lets Pebble make a checkpoint. It panics where it cannot sync the
// folder of the checkpoint, with nothing of the database in a bad state.
func (b *backend) linkInto(tmp string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
	}()
	return b.db.Checkpoint(tmp)
}

func writeFile(fs vfs.FS, name, text string) error {
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Sync(), f.Close())
}

// ordered is a checkpoint and its number.
type ordered struct {
	name  string
	order uint64
}

// Checkpoints lists the checkpoints, oldest first; folders that were put there
// by hand come before those that were made here.
func (s *Store) Checkpoints(ctx context.Context) ([]string, error) {
	var list []ordered
	err := s.check(ctx)
	if err == nil {
		list, err = s.checkpoints()
	}
	if err != nil {
		return nil, fmt.Errorf("list the checkpoints in %s: %w", s.Path, err)
	}
	var names []string
	for _, c := range list {
		names = append(names, c.name)
	}
	return names, nil
}

func (s *Store) checkpoints() (list []ordered, err error) {
	entries, err := s.fs().List(s.at(checkpointsName))
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, name := range entries {
		if !validName(name) {
			continue
		}
		order, err := s.orderOf(name)
		if err != nil {
			return nil, err
		}
		list = append(list, ordered{name, order})
	}
	slices.SortFunc(list, func(a, b ordered) int {
		if a.order != b.order {
			return int(min(max(int64(a.order-b.order), -1), 1))
		}
		return strings.Compare(a.name, b.name)
	})
	return list, nil
}

// orderOf reads the number of a checkpoint, 0 if it has none.
func (s *Store) orderOf(name string) (uint64, error) {
	f, err := s.fs().Open(s.fs().PathJoin(s.checkpoint(name), orderName))
	if errors.Is(err, iofs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 32))
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	order, err := strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 10, 63)
	if err != nil {
		return 0, nil //nolint:nilerr // a damaged number does not make the checkpoint useless
	}
	return order, nil
}

func (s *Store) newestOrder() (uint64, error) {
	list, err := s.checkpoints()
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return list[len(list)-1].order, nil
}

// Drop removes a checkpoint.
func (s *Store) Drop(ctx context.Context, checkpoint string) error {
	if err := s.drop(ctx, checkpoint); err != nil {
		return fmt.Errorf("drop checkpoint %q of the state in %s: %w", checkpoint, s.Path, explain(err))
	}
	return nil
}

func (s *Store) drop(ctx context.Context, checkpoint string) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	if checkpoint == "" {
		return state.ErrNotFound
	}
	dir, err := s.find(checkpoint)
	if err != nil {
		return err
	}
	// It leaves the list before its files go, one by one.
	tmp := s.checkpoint(tmpPrefix + "dropped-" + checkpoint)
	if err := s.fs().RemoveAll(tmp); err != nil {
		return err
	}
	failpoint.At("drop/before-rename")
	if err := s.rename(dir, tmp); err != nil {
		return err
	}
	failpoint.At("drop/after-rename")
	err = s.fs().RemoveAll(tmp)
	failpoint.At("drop/after-remove")
	return err
}
