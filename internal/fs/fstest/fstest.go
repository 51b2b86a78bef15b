// Package fstest is a file system in memory that crashes: what was not synced
// is lost, wholly or in part, and any call can be made to fail. It is worse
// than a disk may be, so that what survives it survives a disk.
package fstest

import (
	"errors"
	iofs "io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/llm-optimizer/processor/internal/fs"
)

// ErrPowerOff is what every call returns after PowerOff.
var ErrPowerOff = errors.New("the power is off")

// FS is a file system in memory. Goroutines may share it.
type FS struct {
	mu    sync.Mutex
	files map[string]*node
	dirs  map[string]bool
	off   bool
	calls [classes]int
	fault *Fault
}

var _ fs.FS = (*FS)(nil)

// New returns an empty file system with a root and a working folder.
func New() *FS {
	return &FS{files: map[string]*node{}, dirs: map[string]bool{"/": true, ".": true}}
}

// node is a file with its entry in its folder.
type node struct {
	// linked says that the entry was synced: without it the file is not found
	// after a crash, synced or not.
	linked bool
	data   []byte
	// synced is what the disk holds for sure, and ops what was done since.
	synced []byte
	ops    []op
}

// op is a write at a place or, with nil data, a truncation to it.
type op struct {
	at   int
	data []byte
	// dropped says that a sync has failed since: the next one that succeeds
	// does not write it any more, as Linux does it.
	dropped bool
}

// apply does an op to the content of a file. What lies between its end and the
// op's place was lost, and reads as zeros.
func (o op) apply(content []byte) []byte {
	if o.data == nil {
		return resized(content, o.at)
	}
	if end := o.at + len(o.data); len(content) < end {
		content = resized(content, end)
	}
	copy(content[o.at:], o.data)
	return content
}

func resized(content []byte, n int) []byte {
	if n <= len(content) {
		return content[:n:n]
	}
	return append(content[:len(content):len(content)], make([]byte, n-len(content))...)
}

// OpenAppend opens a file, making it if there is none.
func (f *FS) OpenAppend(name string) (fs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call(Open); err != nil {
		return nil, pathError("open", name, err)
	}
	name = filepath.Clean(name)
	switch {
	case f.dirs[name]:
		return nil, pathError("open", name, syscall.EISDIR)
	case !f.dirs[filepath.Dir(name)]:
		return nil, pathError("open", name, iofs.ErrNotExist)
	}
	n := f.files[name]
	if n == nil {
		n = &node{}
		f.files[name] = n
	}
	return &file{fs: f, node: n, name: name}, nil
}

// MkdirAll makes a folder and its parents, durably.
func (f *FS) MkdirAll(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call(Mkdir); err != nil {
		return pathError("mkdir", dir, err)
	}
	for d := filepath.Clean(dir); !f.dirs[d]; d = filepath.Dir(d) {
		if f.files[d] != nil {
			return pathError("mkdir", d, syscall.ENOTDIR)
		}
		f.dirs[d] = true
	}
	return nil
}

// SyncDir makes the entries of a folder durable.
func (f *FS) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call(SyncDir); err != nil {
		return pathError("sync", dir, err)
	}
	dir = filepath.Clean(dir)
	if !f.dirs[dir] {
		return pathError("sync", dir, iofs.ErrNotExist)
	}
	for name, n := range f.files {
		if filepath.Dir(name) == dir {
			n.linked = true
		}
	}
	return nil
}

// ReadFile returns what a file holds now, also with the power off.
func (f *FS) ReadFile(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.files[filepath.Clean(name)]
	if n == nil {
		return nil, pathError("open", name, iofs.ErrNotExist)
	}
	return append([]byte(nil), n.data...), nil
}

// PowerOff makes all later calls fail.
func (f *FS) PowerOff() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
}

// CrashClone returns what would be found after a loss of power now. Files hold
// what was synced, and of each later write and truncation it is kept with a
// probability of unsyncedPercent: writes may be torn, and later ones there
// without earlier ones, where zeros are found then. So it is with the entries
// of new files whose folder was not synced. At 0 all that is lost, at 100 all
// kept. rng decides; the clone shares nothing with f and is all durable.
func (f *FS) CrashClone(rng *rand.Rand, unsyncedPercent int) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := func() bool { return rng.IntN(100) < unsyncedPercent }
	clone := New()
	for dir := range f.dirs {
		clone.dirs[dir] = true
	}
	for _, name := range sortedNames(f.files) { // the order is rng's
		n := f.files[name]
		if !n.linked && !kept() {
			continue
		}
		content := append([]byte(nil), n.synced...)
		for _, o := range n.ops {
			if !kept() {
				continue
			}
			if len(o.data) > 0 && unsyncedPercent < 100 && rng.IntN(4) == 0 {
				o.data = o.data[:rng.IntN(len(o.data))]
			}
			content = o.apply(content)
		}
		clone.files[name] = &node{linked: true, data: content, synced: append([]byte(nil), content...)}
	}
	return clone
}

func pathError(op, name string, err error) error {
	return &iofs.PathError{Op: op, Path: name, Err: err}
}
