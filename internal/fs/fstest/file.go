package fstest

import (
	"io"
	iofs "io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// file is an open file.
type file struct {
	fs     *FS
	node   *node
	name   string
	closed bool
}

// call counts a call on the file and returns why it fails.
func (f *file) call(c Class) error {
	if f.closed {
		return iofs.ErrClosed
	}
	return f.fs.call(c)
}

func (f *file) Write(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	off := f.fs.off
	err := f.call(Write)
	if err == nil {
		f.do(op{at: len(f.node.data), data: append([]byte{}, p...)})
		return len(p), nil
	}
	n := 0
	if !off && !f.closed && f.fs.fault.Short {
		n = len(p) / 2
		f.do(op{at: len(f.node.data), data: append([]byte{}, p[:n]...)})
	}
	return n, pathError("write", f.name, err)
}

func (f *file) do(o op) {
	if o.data != nil && len(o.data) == 0 {
		return
	}
	f.node.ops = append(f.node.ops, o)
	f.node.data = o.apply(f.node.data)
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.call(Read); err != nil {
		return 0, pathError("read", f.name, err)
	}
	n := copy(p, f.node.data[min(int(off), len(f.node.data)):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.call(Truncate); err != nil {
		return pathError("truncate", f.name, err)
	}
	f.do(op{at: int(size)})
	return nil
}

func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.call(Sync); err != nil {
		for i := range f.node.ops {
			f.node.ops[i].dropped = true
		}
		return pathError("sync", f.name, err)
	}
	for _, o := range f.node.ops {
		if !o.dropped {
			f.node.synced = o.apply(f.node.synced)
		}
	}
	f.node.ops = slices.DeleteFunc(f.node.ops, func(o op) bool { return !o.dropped })
	return nil
}

func (f *file) Stat() (iofs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.call(Stat); err != nil {
		return nil, pathError("stat", f.name, err)
	}
	return info{filepath.Base(f.name), int64(len(f.node.data))}, nil
}

// Close never fails but for the power: nothing of ours relies on it.
func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.call(Close); err != nil {
		return pathError("close", f.name, err)
	}
	f.closed = true
	return nil
}

// info describes a file.
type info struct {
	name string
	size int64
}

func (i info) Name() string         { return i.name }
func (i info) Size() int64          { return i.size }
func (info) Mode() iofs.FileMode    { return 0o644 }
func (info) ModTime() (t time.Time) { return t }
func (info) IsDir() bool            { return false }
func (info) Sys() any               { return nil }

func sortedNames(files map[string]*node) []string { return slices.Sorted(maps.Keys(files)) }
