package pebble

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/llm-optimizer/processor/internal/failpoint"
)

// gate is the file system that Pebble gets. Once its failure is known it lets
// nothing more be written, whatever Pebble tries: the disk stays as it was,
// and the next Open finds every Apply that was acknowledged.
//
// It also stands between the disk and two habits of Pebble. A write-ahead log
// that cannot be closed or made lets it panic with its locks held, or unlock a
// mutex twice, which ends the process without a word. So an error of a log, or
// of syncing the folder, becomes the failure and does not reach Pebble, which
// goes on into the void until it is closed; Apply asks for the failure before
// it says that something is durable. A background write that fails is tried
// again at once, for ever: what is refused is refused slowly. And while it
// opens a database Pebble waits for such a write, or leaves a goroutine behind
// that reads what is closed: until it has opened, no error reaches it at all.
type gate struct {
	vfs.FS
	dir string
	*failure

	opening atomic.Bool
	listed  atomic.Pointer[[]string]
	notes   sync.Mutex // is held while notes of logs are written
}

// newGate returns the gate to a database that is being opened.
func newGate(fs vfs.FS, dir string, f *failure) *gate {
	g := &gate{FS: fs, dir: dir, failure: f}
	g.opening.Store(true)
	return g
}

// pace is how long a refused operation takes while the database is open.
const pace = 50 * time.Millisecond

// refuse ends an operation after the failure.
func (g *gate) refuse() error {
	timer := time.NewTimer(pace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.closing:
	}
	return fmt.Errorf("not tried, after an earlier failure: %w", g.Err())
}

// do runs an operation that changes the disk. The errors of a silent one are
// not for Pebble.
func (g *gate) do(silent bool, op func() error) error {
	silent = silent || g.opening.Load()
	if g.Err() != nil {
		if silent {
			return nil
		}
		return g.refuse()
	}
	failpoint.At("pebble/before-change")
	err := op()
	failpoint.At("pebble/after-change")
	if err != nil && silent {
		g.fail(err)
		return nil
	}
	return err
}

// file opens a file to write. In the void it is an empty one.
func (g *gate) file(name string, open func() (vfs.File, error)) (vfs.File, error) {
	silent := g.isLog(name)
	f := vfs.NewMemFile(nil)
	err := g.do(silent, func() error {
		opened, err := open()
		if err == nil {
			f = opened
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return g.guard(name, &gateFile{File: f, gate: g, silent: silent})
}

// isLog reports whether a file is a write-ahead log of this database, and not
// the copy of one in a checkpoint.
func (g *gate) isLog(name string) bool {
	return strings.HasSuffix(name, ".log") && g.PathDir(name) == g.dir
}

// Create makes a file. The file that Pebble makes to name the current manifest
// must not outlive a crash that the manifest's own name does not: nothing but
// a sync of the folder orders the two.
func (g *gate) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(g.PathBase(name), "marker.manifest.") {
		if err := g.do(false, func() error { return syncDir(g.FS, g.PathDir(name)) }); err != nil {
			return nil, err
		}
	}
	return g.file(name, func() (vfs.File, error) { return g.FS.Create(name, category) })
}

// OpenReadWrite opens a file to write at any place.
func (g *gate) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return g.file(name, func() (vfs.File, error) { return g.FS.OpenReadWrite(name, category, opts...) })
}

// ReuseForWrite renames a file and opens it.
func (g *gate) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.file(to, func() (vfs.File, error) { return g.FS.ReuseForWrite(from, to, category) })
}

// OpenDir opens a folder to sync it.
func (g *gate) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &gateFile{File: f, gate: g, silent: name == g.dir}, nil
}

// Link makes a hard link.
func (g *gate) Link(from, to string) error {
	return g.do(false, func() error { return g.FS.Link(from, to) })
}

// Remove removes a file.
func (g *gate) Remove(name string) error {
	return g.do(false, func() error {
		if g.isLog(name) {
			if err := g.retire(g.PathBase(name)); err != nil {
				return err
			}
		}
		return g.FS.Remove(name)
	})
}

// RemoveAll removes a folder.
func (g *gate) RemoveAll(name string) error {
	return g.do(false, func() error { return g.FS.RemoveAll(name) })
}

// Rename renames a file.
func (g *gate) Rename(from, to string) error {
	return g.do(false, func() error { return g.FS.Rename(from, to) })
}

// MkdirAll makes a folder.
func (g *gate) MkdirAll(dir string, perm os.FileMode) error {
	return g.do(false, func() error { return g.FS.MkdirAll(dir, perm) })
}

// List lists a folder. While the database is being opened an error gives what
// was listed before.
func (g *gate) List(dir string) ([]string, error) {
	list, err := g.FS.List(dir)
	if dir != g.dir || !g.opening.Load() {
		return list, err
	}
	if before := g.listed.Load(); err != nil && before != nil {
		g.fail(err)
		return *before, nil
	}
	g.listed.Store(&list)
	return list, err
}

// GetDiskUsage tells how full the disk is, if that can be told: not to know it
// is no failure.
func (g *gate) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	usage, err := g.FS.GetDiskUsage(path)
	if err != nil {
		return usage, vfs.ErrUnsupported
	}
	return usage, nil
}

// Unwrap returns the file system behind the gate.
func (g *gate) Unwrap() vfs.FS { return g.FS }

// gateFile is a file, or a folder, that is written to through a gate.
type gateFile struct {
	vfs.File
	gate   *gate
	silent bool
}

// Write writes all of p or nothing that counts.
func (f *gateFile) Write(p []byte) (int, error) {
	n := len(p)
	err := f.gate.do(f.silent, func() (err error) {
		n, err = f.File.Write(p)
		return err
	})
	if err != nil {
		return n, err
	}
	return len(p), nil
}

// WriteAt writes all of p at an offset, or nothing that counts.
func (f *gateFile) WriteAt(p []byte, at int64) (int, error) {
	n := len(p)
	err := f.gate.do(f.silent, func() (err error) {
		n, err = f.File.WriteAt(p, at)
		return err
	})
	if err != nil {
		return n, err
	}
	return len(p), nil
}

// Preallocate reserves space.
func (f *gateFile) Preallocate(offset, length int64) error {
	return f.gate.do(f.silent, func() error { return f.File.Preallocate(offset, length) })
}

// Sync makes the file durable.
func (f *gateFile) Sync() error { return f.gate.do(f.silent, f.File.Sync) }

// SyncData makes the file's contents durable.
func (f *gateFile) SyncData() error { return f.gate.do(f.silent, f.File.SyncData) }

// SyncTo begins to make a part of the file durable.
func (f *gateFile) SyncTo(length int64) (full bool, err error) {
	err = f.gate.do(f.silent, func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full && err == nil, err
}

// Close closes the file, also after the failure.
func (f *gateFile) Close() error {
	err := f.File.Close()
	if err != nil && f.silent {
		f.gate.fail(err)
		return nil
	}
	return err
}

// unlocked is a file system without locks, for databases that are only read:
// Pebble would make a file for the lock.
type unlocked struct{ vfs.FS }

func (unlocked) Lock(string) (io.Closer, error) { return noLock{}, nil }

// Create is an error: nothing is made where something is only read.
func (unlocked) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, fmt.Errorf("create %s: %w", name, errors.ErrUnsupported)
}
