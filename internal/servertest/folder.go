package servertest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Folder is where a server keeps its files.
type Folder struct {
	// Path is where it is.
	Path string

	lock *os.File
}

const (
	// memory is a file system in memory.
	memory = "/dev/shm"
	// lockName is of the file that is locked as long as its folder is in use.
	lockName = "in-use"
	// abandoned is the age from which on a folder may be thought so.
	abandoned = 10 * time.Minute
)

// NewFolder makes a folder, in memory where there is enough of it, and removes
// those of the same name that processes have left which did not end in order.
func NewFolder(name string) (*Folder, error) {
	parent := os.TempDir()
	if os.Getenv("TMPDIR") == "" && hasRoom(memory) {
		parent = memory
	}
	sweep(parent, name)
	path, err := os.MkdirTemp(parent, name+"-")
	if err != nil {
		return nil, err
	}
	lock, err := lockIn(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the folder of a server: %w", err), os.RemoveAll(path))
	}
	return &Folder{Path: path, lock: lock}, nil
}

// lockIn takes the lock of a folder. It is lost with our process.
func lockIn(path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func sweep(parent, name string) {
	found, _ := filepath.Glob(filepath.Join(parent, name+"-*")) // the pattern is a good one
	for _, path := range found {
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) < abandoned {
			continue
		}
		if lock, err := lockIn(path); err == nil {
			_ = os.RemoveAll(path) // the next one tries again
			_ = lock.Close()       // it is gone
		}
	}
}

// File is the path of a file in the folder.
func (f *Folder) File(name string) string { return filepath.Join(f.Path, name) }

// Tail is the end of a file in the folder.
func (f *Folder) Tail(name string) string {
	const most = 8 << 10
	text, _ := os.ReadFile(f.File(name)) // there may be none yet
	return string(text[max(0, len(text)-most):])
}

// Remove removes the folder.
func (f *Folder) Remove() {
	_ = os.RemoveAll(f.Path) // a later NewFolder tries again
	_ = f.lock.Close()       // it is gone
}
