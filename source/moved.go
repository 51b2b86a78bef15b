package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// missing looks for the followed files that the pattern does not find any
// more, and returns those that are not to be found anywhere.
func (s *File) missing(ctx context.Context, r *recognition, saved []Saved) ([]int, error) {
	var gone []int
	for i, taken := range r.taken {
		if taken {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, err := s.findMoved(&r.saved[i], saved[i].Position)
		if err != nil {
			return nil, err
		}
		if p == nil {
			gone = append(gone, i)
			continue
		}
		s.mu.Lock()
		s.known = append(s.known, p)
		s.moved = append(s.moved, p)
		s.mu.Unlock()
	}
	return gone, nil
}

// findMoved makes a partition of a file that was renamed out of the pattern
// before it was read to its end, as log rotation does; nil if there is none. It
// keeps the name under which it was read.
func (s *File) findMoved(id *identity, position int64) (*filePartition, error) {
	if id.inode == 0 || isPacked(id.path) || !s.mayHaveRead(id.path) {
		return nil, nil
	}
	dir := filepath.Dir(id.path)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look where source file %s has gone: %w", id.path, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || s.isKnown(info) || s.isOver(info, position) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if found := identify(info, path, nil); !sameFile(id, &found) {
			continue
		}
		head, err := headOf(path, info)
		if err != nil {
			return nil, err
		}
		if id.begins(head) {
			p := newFilePartition(s, id.path, info)
			p.moved = path
			return p, nil
		}
	}
	return nil, nil
}

// isOver reports whether a file that lost its name has been read to its end,
// and so long ago that its writer will have noticed.
func (s *File) isOver(info os.FileInfo, position int64) bool {
	return info.Size() <= position && time.Since(info.ModTime()) > gracePolls*s.poll
}

// mayHaveRead reports whether the pattern would find a file of that name: a
// pattern that was changed does not bring back what it found before.
func (s *File) mayHaveRead(path string) bool { return path == s.Path || s.Watches(path) }

func (s *File) isKnown(info os.FileInfo) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find("", info) != nil
}
