package pebble

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/llm-optimizer/processor/state"
)

// What Store.Path holds beside the database and its checkpoints.
//
// .tmp-… is being made or removed, here and in checkpoints/; the next Open
// removes it. db.next is a restored database that is whole and synced but not
// yet in its place. Restore makes it, moves db aside, and moves db.next to db;
// after each step the folder is synced. So a crash leaves one of
//
//	db and no db.next    before, or after
//	db and db.next       the old database is still in its place: db.next is removed
//	db.next and no db    the old one has been moved aside: db.next takes its place
//
// and the next Open finds either the old database or the new one.
const (
	dbName          = "db"
	nextName        = "db.next"
	tmpPrefix       = ".tmp-"
	asidePrefix     = "db.aside-"
	checkpointsName = "checkpoints"
	lockName        = "LOCK"
)

func (s *Store) fs() vfs.FS {
	if s.FS == nil {
		return vfs.Default
	}
	return s.FS
}

func (s *Store) at(names ...string) string {
	return s.fs().PathJoin(append([]string{s.Path}, names...)...)
}

func (s *Store) db() string                    { return s.at(dbName) }
func (s *Store) next() string                  { return s.at(nextName) }
func (s *Store) tmp() string                   { return s.at(tmpPrefix + dbName) }
func (s *Store) checkpoint(name string) string { return s.at(checkpointsName, name) }

// dirOf names the folder of the store or of a checkpoint for messages.
func (s *Store) dirOf(checkpoint string) string {
	if checkpoint == "" {
		return s.db()
	}
	return s.checkpoint(checkpoint)
}

// names are what a checkpoint may be called: a name of a folder anywhere, and
// none of ours.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func validName(name string) bool { return names.MatchString(name) }

func (s *Store) exists(path string) (bool, error) {
	_, err := s.fs().Stat(path)
	if errors.Is(err, iofs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// lock takes the lock of the folder, for which this process may have it once.
func (s *Store) lock() (io.Closer, error) {
	path := s.at(lockName)
	if s.FS == nil {
		// Two spellings of a path must meet: closing one of two locks that a
		// process has on a file releases both.
		resolved, err := filepath.EvalSymlinks(s.Path)
		if err == nil {
			resolved, err = filepath.Abs(resolved)
		}
		if err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		path = filepath.Join(resolved, lockName)
	}
	lock, err := s.fs().Lock(path)
	switch {
	case err == nil:
		return lock, nil
	case isLocked(err):
		return nil, fmt.Errorf("%w: %s is locked; stop the other instance, or give this one a state.path of its own", state.ErrInUse, path)
	}
	return nil, explain(fmt.Errorf("lock %s: %w", path, err))
}

// isLocked tells a lock that is taken from a file that cannot be made: the
// latter comes with the path.
func isLocked(err error) bool {
	var at *iofs.PathError
	if errors.As(err, &at) {
		return false
	}
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) ||
		strings.Contains(err.Error(), "lock held by current process")
}

// isReadOnly reports whether a lock could not be made where nothing can.
func isReadOnly(err error) bool {
	return err != nil && !errors.Is(err, state.ErrInUse) &&
		(errors.Is(err, iofs.ErrPermission) || errors.Is(err, syscall.EROFS))
}

type noLock struct{}

func (noLock) Close() error { return nil }

// settle brings the folder into order after a crash.
func (s *Store) settle() error {
	if err := s.finish(); err != nil {
		return err
	}
	for _, dir := range []string{s.Path, s.at(checkpointsName)} {
		list, err := s.fs().List(dir)
		if err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
		for _, name := range list {
			if strings.HasPrefix(name, tmpPrefix) {
				if err := s.fs().RemoveAll(s.fs().PathJoin(dir, name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// finish ends a Restore that a crash has cut short.
func (s *Store) finish() error {
	if there, err := s.exists(s.next()); err != nil || !there {
		return err
	}
	there, err := s.exists(s.db())
	if err != nil {
		return err
	}
	if !there {
		return s.rename(s.next(), s.db())
	}
	// It stops being one before its files go, one by one.
	tmp := s.at(tmpPrefix + nextName)
	if err := s.fs().RemoveAll(tmp); err != nil {
		return err
	}
	return s.rename(s.next(), tmp)
}

// rename moves a folder within its parent, durably.
func (s *Store) rename(from, to string) error {
	if err := s.fs().Rename(from, to); err != nil {
		return err
	}
	return syncDir(s.fs(), s.fs().PathDir(to))
}

// makeDir makes a folder and its parents, durably.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return syncDir(fs, parent)
}

// syncDir makes the entries of a folder durable.
func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
