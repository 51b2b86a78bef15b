package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// defaultMaxOpen is how many files are open at once where nothing is said.
const defaultMaxOpen = 64

// pollEvery is how often followed files are looked at.
const pollEvery = 100 * time.Millisecond

// File reads lines from files. Every file is a partition, named by its path;
// the files of a pattern are opened in lexical order. What ends in .gz or
// .zst is decompressed on the way, and positions count decompressed bytes.
//
// A file that is followed is known by its identity on the disk (device, inode
// and how it begins), not by its name: renamed, it is read to its end under
// the old name, and what takes its place is a new partition. It ends a second
// after the pattern no longer finds it. Cut short in place, it is read again
// from its beginning, and positions start over at 0. Compressed files
// are read once, as soon as they hold something: they have to be whole then, so
// move them to where the pattern finds them. It should not match the compressed
// copies of files that were followed.
//
// With durable state a later run finds each file again by that identity and
// goes on where the last one stopped; see Recognize. What no run can find are
// lines that were not read before their file was removed, compressed, moved to
// another folder or cut short.
//
// The last line of a file that is not followed needs no line end. If the file
// has grown when a later run goes on, the rest of that line is a record of its
// own: what was handed over cannot be taken back. A followed file's last line
// waits for its end, and its position stays before it.
//
// A File belongs to one pipeline; use it by pointer.
type File struct {
	// Path is a path or a pattern of path/filepath.Match: data/*.jsonl. With
	// Follow it need not match anything yet.
	Path string
	// Follow waits for more at the end of files, and for more files.
	Follow bool
	// MaxOpen is how many files are open at once; 0 means 64. Followed files
	// have no end and are all open.
	MaxOpen int
	// MaxRecordBytes is the size of the largest line; 0 means 1 MiB. Only
	// the beginning of a larger one is handed over, so that memory is bounded.
	MaxRecordBytes int

	// poll replaces pollEvery in tests.
	poll time.Duration

	mu sync.Mutex
	// known are the partitions that were handed out and whose files may still
	// be found by the pattern.
	known []*filePartition
	// moved are partitions for the next Discover, which Recognize found.
	moved []Partition
	// recognized says that Recognize has been called.
	recognized bool
}

// Traits says that the source is live when it follows.
func (s *File) Traits() Traits {
	t := Traits{Kind: "file", Live: s.Follow, MaxOpen: s.MaxOpen}
	switch {
	case s.Follow:
		t.MaxOpen = 0 // a file that waits for its turn would wait for ever
	case t.MaxOpen <= 0:
		t.MaxOpen = defaultMaxOpen
	}
	return t
}

// Open finds the files and sees that each can be read.
func (s *File) Open(ctx context.Context) ([]Partition, error) {
	if s.poll <= 0 {
		s.poll = pollEvery
	}
	paths, err := s.match()
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 && !s.Follow {
		return nil, s.nothing()
	}
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.check(path); err != nil {
			return nil, err
		}
	}
	return s.scan(paths), nil
}

// Discover waits for new files when the source follows.
func (s *File) Discover(ctx context.Context) ([]Partition, error) {
	if !s.Follow {
		return Fixed()
	}
	if moved := s.takeMoved(); len(moved) > 0 {
		return moved, nil
	}
	tick := time.NewTicker(s.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		paths, err := s.match()
		if err != nil {
			return nil, err
		}
		if found := s.scan(paths); len(found) > 0 {
			return found, nil
		}
	}
}

// takeMoved returns what Recognize found beside the pattern.
func (s *File) takeMoved() []Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := s.moved
	s.moved = nil
	return moved
}

// Watches reports whether a file that appears at the path would be followed.
func (s *File) Watches(path string) bool {
	pattern, perr := filepath.Abs(s.Path)
	path, err := filepath.Abs(path)
	if !s.Follow || perr != nil || err != nil {
		return false
	}
	matches, err := filepath.Match(pattern, path)
	return err == nil && matches
}

// Close has nothing to release: files are open while their partitions are.
func (s *File) Close() error { return nil }

// match returns the paths that Path stands for, in lexical order. A file
// whose name looks like a pattern is found by its name.
func (s *File) match() ([]string, error) {
	if _, err := os.Lstat(s.Path); err == nil {
		return []string{s.Path}, nil
	}
	paths, err := filepath.Glob(s.Path)
	if err != nil {
		return nil, fmt.Errorf("file pattern %q: %w: a [ needs its ], and \\ takes a special meaning away", s.Path, err)
	}
	slices.Sort(paths)
	return paths, nil
}

// nothing says why there is no file to read.
func (s *File) nothing() error {
	if s.Path == "" {
		return errors.New("file source has no path: name a file or a pattern such as data/*.jsonl")
	}
	if _, err := os.Stat(s.Path); err != nil && !hasMeta(s.Path) {
		return fmt.Errorf("open source file: %w; correct the path, or follow it to wait until it exists", err)
	}
	return fmt.Errorf("no file matches %s: correct the pattern, or follow it to wait for files", s.Path)
}

func hasMeta(path string) bool { return strings.ContainsAny(path, "*?[") }

// check reports why a file cannot be read.
func (s *File) check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open source file: %w", err)
	}
	if info.IsDir() {
		return fmt.Errorf("source file %s is a directory: name the files in it, such as %s", path, filepath.Join(path, "*.jsonl"))
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("source file %s is not a regular file: read a pipe or a device through standard input", path)
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("open source file: %w; give this user the right to read it", err)
	}
	if err != nil {
		return fmt.Errorf("open source file: %w", err)
	}
	return f.Close()
}

// scan makes partitions of the files that are not known.
func (s *File) scan(paths []string) []Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.known {
		p.seen = false
	}
	var found []Partition
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue // gone since it was matched, or nothing to follow
		}
		if p := s.find(path, info); p != nil {
			p.seen = true
			continue
		}
		if s.Follow && info.Size() == 0 && isPacked(path) {
			continue // it is read once, and its writer has yet to begin
		}
		p := newFilePartition(s, path, info)
		p.seen = true
		s.known = append(s.known, p)
		found = append(found, p)
	}
	s.known = slices.DeleteFunc(s.known, func(p *filePartition) bool { return p.ended != nil && !p.seen })
	return found
}

// find returns the known partition of a file. Without Follow each name is a
// partition, also when two names are links to one file.
func (s *File) find(path string, info os.FileInfo) *filePartition {
	if !s.Follow {
		return nil
	}
	for _, p := range s.known {
		if os.SameFile(p.info, info) && !p.replaced(path, info) {
			return p
		}
	}
	return nil
}

// replaced reports whether a file is only the heir of the partition's inode,
// which is free when it has been read, closed and removed.
func (p *filePartition) replaced(path string, info os.FileInfo) bool {
	return p.ended != nil && path != p.path &&
		(info.Size() != p.ended.Size() || !info.ModTime().Equal(p.ended.ModTime()))
}

// forget drops a partition whose file no name leads to any more, at once: its
// inode may be given to the next file as soon as it is closed.
func (s *File) forget(p *filePartition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = slices.DeleteFunc(s.known, func(k *filePartition) bool { return k == p })
}

// end marks a partition that is read to its end and still has its name.
func (s *File) end(p *filePartition, f *os.File) {
	info, err := f.Stat()
	if err != nil {
		info = p.info
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.ended = info
}

// locate returns a name under which the pattern finds the file, or "".
func (s *File) locate(path string, info os.FileInfo) string {
	if named(path, info) {
		return path
	}
	paths, err := s.match()
	if err != nil {
		return ""
	}
	i := slices.IndexFunc(paths, func(other string) bool { return named(other, info) })
	if i < 0 {
		return ""
	}
	return paths[i]
}

// named reports whether the path leads to the file.
func named(path string, info os.FileInfo) bool {
	now, err := os.Stat(path)
	return err == nil && os.SameFile(now, info)
}
