package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Recognize finds the files that were read before. A file is the one that was
// saved when device, inode and beginning agree, whatever its name is now. Where
// they do not, a file of the same name and beginning is, which was copied or
// restored; one that is followed needs the same inode too, for a system may
// number its devices anew. A file with another beginning, or with less than
// what is known of it, is a new one.
//
// Followed files that were renamed out of the pattern while nobody looked, in
// their folder, are found there and handed out by the next Discover. The first
// call returns as gone which followed files were not found.
func (s *File) Recognize(ctx context.Context, parts []Partition, saved []Saved) (match, gone []int, err error) {
	r, err := newRecognition(parts, saved)
	if err != nil {
		return nil, nil, err
	}
	// Rule by rule, so that of two links or copies each finds its own place.
	for _, same := range []rule{sameFileAndName, sameFile, s.sameName} {
		if err := r.apply(ctx, same); err != nil {
			return nil, nil, err
		}
	}
	if s.Follow && !s.recognized {
		if gone, err = s.missing(ctx, r, saved); err != nil {
			return nil, nil, err
		}
	}
	s.recognized = true
	return r.match, gone, nil
}

// rule says whether a file, by its numbers and name, may be one that was saved.
// How it begins is looked at only then.
type rule func(saved, found *identity) bool

func sameFile(saved, found *identity) bool {
	return saved.device == found.device && saved.inode == found.inode && found.inode != 0
}

func sameFileAndName(saved, found *identity) bool {
	return saved.path == found.path && sameFile(saved, found)
}

func (s *File) sameName(saved, found *identity) bool {
	return saved.path == found.path && (!s.Follow || saved.inode == found.inode || saved.inode == 0)
}

// recognition is the work of one Recognize.
type recognition struct {
	parts []*filePartition
	match []int
	saved []identity
	taken []bool
	// byInode and byPath lead to saved.
	byInode map[uint64][]int
	byPath  map[string][]int
	// heads are those of the files looked at; missing from it are the others.
	heads map[*filePartition][]byte
}

func newRecognition(parts []Partition, saved []Saved) (*recognition, error) {
	r := &recognition{
		match: make([]int, len(parts)), parts: make([]*filePartition, len(parts)),
		saved: make([]identity, len(saved)), taken: make([]bool, len(saved)),
		byInode: map[uint64][]int{}, byPath: map[string][]int{}, heads: map[*filePartition][]byte{},
	}
	for i, part := range parts {
		r.match[i] = -1
		r.parts[i], _ = part.(*filePartition) // another source's partition is none of ours
	}
	for i := range saved {
		id := identity{path: saved[i].Origin.Path, hash: xxhash.Sum64(nil)} // all that is known without a token
		if saved[i].Token != nil {
			var err error
			if id, err = parseToken(saved[i].Token); err != nil {
				return nil, fmt.Errorf("go on with source file %s: %w", saved[i].Origin.Path, err)
			}
		}
		r.saved[i] = id
		r.byInode[id.inode] = append(r.byInode[id.inode], i)
		r.byPath[id.path] = append(r.byPath[id.path], i)
	}
	return r, nil
}

// apply gives each partition that has no match yet the best one by a rule.
func (r *recognition) apply(ctx context.Context, same rule) error {
	for i, p := range r.parts {
		if p == nil || r.match[i] >= 0 {
			continue
		}
		best, err := r.best(ctx, p, same)
		if err != nil {
			return err
		}
		if best >= 0 {
			r.match[i], r.taken[best] = best, true
			p.known = &r.saved[best]
		}
	}
	return nil
}

// best returns what the partition goes on from, or -1. Of two it is the one of
// which more is known: the other had its inode before.
func (r *recognition) best(ctx context.Context, p *filePartition, same rule) (int, error) {
	found := identify(p.info, p.path, nil)
	best := -1
	for _, candidates := range [][]int{r.byInode[found.inode], r.byPath[p.path]} {
		for _, i := range candidates {
			saved := &r.saved[i]
			if r.taken[i] || packing(saved.path) != packing(p.path) || !same(saved, &found) {
				continue
			}
			if best >= 0 && (saved.n < r.saved[best].n || saved.n == r.saved[best].n && i < best) {
				continue
			}
			head, err := r.head(ctx, p)
			if err != nil {
				return -1, err
			}
			if saved.begins(head) {
				best = i
			}
		}
	}
	return best, nil
}

// head returns how a partition's file begins; nothing when it is gone.
func (r *recognition) head(ctx context.Context, p *filePartition) ([]byte, error) {
	if head, ok := r.heads[p]; ok {
		return head, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	head, err := headOf(p.where(), p.info)
	if err != nil {
		return nil, err
	}
	r.heads[p] = head
	return head, nil
}

// headOf returns how the file at a path begins; nothing when there is another
// one or none.
func headOf(path string, info os.FileInfo) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("recognize source file: %w", err)
	}
	defer f.Close()
	now, err := f.Stat()
	if err != nil || !os.SameFile(now, info) {
		return nil, err
	}
	head, err := readHead(f, headBytes)
	if err != nil {
		return nil, fmt.Errorf("recognize source file %s: %w", path, err)
	}
	return head, nil
}

// packing is how a file of that name is compressed. Positions mean bytes of
// text, so a change of it makes a new file.
func packing(path string) string {
	if !isPacked(path) {
		return ""
	}
	return path[strings.LastIndexByte(path, '.'):]
}
