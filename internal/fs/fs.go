// Package fs is the few file operations that our own durable files need, as an
// interface, so that tests can lose what was not synced and make any call fail.
package fs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// FS opens files.
type FS interface {
	// OpenAppend opens a file to read, and to write at its end, making it if
	// there is none.
	OpenAppend(name string) (File, error)
	// MkdirAll makes a folder and its parents, durably.
	MkdirAll(dir string) error
	// SyncDir makes the entries of a folder durable: a file that was made is
	// found after a crash only then.
	SyncDir(dir string) error
}

// File is an open file. Writes go to its end.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
	// Stat describes the file.
	Stat() (os.FileInfo, error)
	// Truncate cuts the file to a length.
	Truncate(size int64) error
	// Sync makes everything written durable. After an error nothing is known
	// of what was written since the last Sync, and trying again does not help:
	// the kernel may have dropped it.
	Sync() error
}

// OS is the file system of the machine.
var OS FS = osFS{}

type osFS struct{}

func (osFS) OpenAppend(name string) (File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
}

// MkdirAll syncs the folders in which it makes one. Those that are there may
// not be ours to open, and are left alone.
func (f osFS) MkdirAll(dir string) error {
	var made []string
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Lstat(d); !errors.Is(err, os.ErrNotExist) {
			break
		}
		made = append(made, d)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, d := range made {
		if err := f.SyncDir(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	defer d.Close()
	// Some network file systems cannot sync a folder, and need not.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}
