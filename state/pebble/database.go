package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"

	"github.com/llm-optimizer/processor/state"
)

// Format is the format of the database's files. Pebble turns an older database
// into this one when it opens it, and there is no way back: a program with an
// older Format refuses it. Raise it only in a release whose predecessor reads
// the higher one too. This one has checksums in the footers of tables, and in
// the log marks of what was synced, which tell damage from the end.
const Format = pdb.FormatTableFormatV6

// database is an open Pebble database and what can go wrong with it.
type database struct {
	*failure
	db     *pdb.DB
	dir    string
	health io.Closer
}

// openDatabase opens a database that is there; adapt changes the options, as
// for one that is not.
func (s *Store) openDatabase(dir string, adapt func(*pdb.Options)) (*database, error) {
	d := &database{failure: newFailure(), dir: dir, health: noLock{}}
	fs := s.fs()
	listener := s.listener(d)
	if s.FS == nil {
		fs, d.health = vfs.WithDiskHealthChecks(fs, 5*time.Second, nil, listener.DiskSlow)
	}
	g := newGate(fs, dir, d.failure)
	o := s.options(g, d.failure)
	o.EventListener = listener
	adapt(o)
	err := d.open(o)
	g.opening.Store(false)
	if err == nil && d.Err() != nil {
		d.giveUp()
		_ = d.db.Close()
	}
	if err = errors.Join(d.Err(), err); err != nil {
		return nil, errors.Join(explainOpen(err), d.health.Close())
	}
	return d, nil
}

// openView opens a database to read only: nothing is written there.
func (s *Store) openView(dir string) (*database, error) {
	if err := s.checkFiles(dir); err != nil {
		return nil, err
	}
	return s.openDatabase(dir, func(o *pdb.Options) {
		o.ReadOnly = true
		o.FS = unlocked{o.FS}
	})
}

// open opens the database. What Pebble takes for impossible in its files makes
// it panic, and is damage for explainOpen.
func (d *database) open(o *pdb.Options) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
	}()
	d.db, err = pdb.Open(d.dir, o)
	if errors.Is(err, pdb.ErrDBDoesNotExist) {
		return damaged(fmt.Errorf("%s has lost the marker of its manifest: %w", d.dir, err))
	}
	return err
}

// close closes the database. It says what went wrong before, if something did.
func (d *database) close() error {
	d.giveUp()
	err := d.db.Close()
	if failed := d.Err(); failed != nil {
		err = failed
	}
	return errors.Join(explain(err), d.health.Close())
}

// flush writes what is in memory to where it is found without the log.
func (d *database) flush(ctx context.Context) error {
	done, err := d.db.AsyncFlush()
	if err != nil {
		return explain(err)
	}
	select {
	case <-done:
		return d.Err()
	case <-d.Failed():
		return d.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkFiles looks at what Pebble does not look at closely enough.
func (s *Store) checkFiles(dir string) error {
	if err := s.checkFormat(dir); err != nil {
		return err
	}
	return checkGuard(s.fs(), dir)
}

// checkFormat refuses a database of a later format than ours, also one that
// Pebble could read: it would be changed in ways that we have not tried.
func (s *Store) checkFormat(dir string) error {
	marker, value, err := atomicfs.LocateMarker(s.fs(), dir, "format-version")
	if err != nil {
		return explainOpen(fmt.Errorf("read the format of %s: %w", dir, err))
	}
	if err := marker.Close(); err != nil {
		return err
	}
	if value == "" {
		return nil
	}
	format, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return damaged(fmt.Errorf("the format of %s is %q", dir, value))
	}
	if format > uint64(Format) {
		return fmt.Errorf("%w: %s has format %d of Pebble's files and this program reads up to %d: use the program that wrote it, or a later one",
			state.ErrVersion, dir, format, uint64(Format))
	}
	return nil
}
