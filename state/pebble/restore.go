package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/state"
)

// Restore puts a copy of a checkpoint in place of the database, which is moved
// aside, to a folder in Path; a crash leaves the one or the other, see
// layout.go.
func (s *Store) Restore(ctx context.Context, checkpoint string) (aside string, err error) {
	if aside, err = s.restore(ctx, checkpoint); err != nil {
		return "", fmt.Errorf("restore checkpoint %q of the state in %s: %w", checkpoint, s.Path, err)
	}
	return aside, nil
}

func (s *Store) restore(ctx context.Context, checkpoint string) (aside string, err error) {
	if err := s.check(ctx); err != nil {
		return "", err
	}
	if checkpoint == "" {
		return "", fmt.Errorf("%w: name one", state.ErrNotFound)
	}
	if _, err := s.find(checkpoint); err != nil {
		return "", err // before anything is made
	}
	lock, err := s.begin(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := s.copyNext(ctx, checkpoint); err != nil {
		return "", err
	}
	if aside, err = s.moveAside(); err != nil {
		return "", explain(err)
	}
	failpoint.At("restore/moved-aside")
	err = s.rename(s.next(), s.db())
	failpoint.At("restore/in-place")
	return aside, explain(err)
}

// copyNext makes db.next of a checkpoint, once it is seen to open.
func (s *Store) copyNext(ctx context.Context, checkpoint string) error {
	from, tmp := s.checkpoint(checkpoint), s.tmp()
	if err := s.copyDatabase(from, tmp); err != nil {
		return explain(err)
	}
	v, err := s.openView(tmp)
	if err != nil {
		return err
	}
	if err := errors.Join(v.close(), ctx.Err()); err != nil {
		return err
	}
	failpoint.At("restore/copied")
	err = s.rename(tmp, s.next())
	failpoint.At("restore/next")
	return explain(err)
}

// copyDatabase copies a database that is not open. Tables never change, so a
// hard link does for them.
func (s *Store) copyDatabase(from, to string) error {
	fs := s.fs()
	list, err := fs.List(from)
	if err != nil {
		return err
	}
	if err := makeDir(fs, to); err != nil {
		return err
	}
	for _, name := range list {
		src, dst := fs.PathJoin(from, name), fs.PathJoin(to, name)
		switch {
		case name == lockName, name == orderName:
			continue
		case strings.HasSuffix(name, ".sst"):
			err = vfs.LinkOrCopy(fs, src, dst)
		default:
			err = vfs.Copy(fs, src, dst)
		}
		if err != nil {
			return err
		}
	}
	return syncDir(fs, to)
}

// Reset moves the database aside, to a folder in Path.
func (s *Store) Reset(ctx context.Context) (aside string, err error) {
	if aside, err = s.reset(ctx); err != nil {
		return "", fmt.Errorf("reset the state in %s: %w", s.Path, err)
	}
	return aside, nil
}

func (s *Store) reset(ctx context.Context) (aside string, err error) {
	if err := s.check(ctx); err != nil {
		return "", err
	}
	if there, err := s.exists(s.Path); err != nil || !there {
		return "", explain(err)
	}
	var lock io.Closer
	if lock, err = s.begin(ctx); err != nil {
		return "", err
	}
	aside, err = s.moveAside()
	return aside, errors.Join(explain(err), lock.Close())
}

// moveAside moves the database to a folder that is named after the time.
func (s *Store) moveAside() (string, error) {
	if there, err := s.exists(s.db()); err != nil || !there {
		return "", err
	}
	name := asidePrefix + time.Now().UTC().Format("20060102-150405")
	for n := 1; ; n++ {
		aside := s.at(name)
		if n > 1 {
			aside = s.at(name + "-" + strconv.Itoa(n))
		}
		if there, err := s.exists(aside); err != nil {
			return "", err
		} else if there {
			continue
		}
		failpoint.At("aside/before-rename")
		err := s.rename(s.db(), aside)
		failpoint.At("aside/after-rename")
		return aside, err
	}
}
