// Package memory keeps a pipeline's state in the memory of the process: epochs
// without a disk, for tests and for programs that live as long as their state
// is worth. Nothing outlives the process.
package memory

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/llm-optimizer/processor/state"
)

// Store is a state.Store in memory. What was applied stays while the Store
// does: a second Open, after Close, finds it. Use it by pointer; the zero
// Store is empty and ready.
type Store struct {
	mu          sync.Mutex
	root        tree
	exists      bool // has been opened since New or the last Reset
	open        *backend
	edits       uint64
	checkpoints []copied
	asides      []copied
}

// copied is a tree under a name.
type copied struct {
	name string
	root tree
}

// New returns an empty store.
func New() *Store { return new(Store) }

// String names the store in messages.
func (s *Store) String() string { return "memory" }

// Open opens the store to read and write; a second time only after Close.
func (s *Store) Open(ctx context.Context) (state.Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open the state in memory: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		return nil, fmt.Errorf("open the state in memory: %w: close it first", state.ErrInUse)
	}
	s.exists = true
	s.open = &backend{store: s}
	return s.open, nil
}

// View shows the store, or a checkpoint, as it is now: what is applied later
// is not seen. It also opens what Restore and Reset moved aside, by its name.
func (s *Store) View(ctx context.Context, checkpoint string) (state.Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("view the state in memory: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if checkpoint == "" {
		if !s.exists {
			return nil, fmt.Errorf("view the state in memory: %w", state.ErrNotFound)
		}
		return &view{root: s.root}, nil
	}
	for _, list := range [][]copied{s.checkpoints, s.asides} {
		if i := indexOf(list, checkpoint); i >= 0 {
			return &view{root: list[i].root}, nil
		}
	}
	return nil, fmt.Errorf("view checkpoint %q of the state in memory: %w", checkpoint, state.ErrNotFound)
}

// Checkpoints lists the checkpoints, oldest first.
func (s *Store) Checkpoints(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list checkpoints in memory: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, c := range s.checkpoints {
		names = append(names, c.name)
	}
	return names, nil
}

// Drop removes a checkpoint.
func (s *Store) Drop(ctx context.Context, checkpoint string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("drop checkpoint %q in memory: %w", checkpoint, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := indexOf(s.checkpoints, checkpoint)
	if i < 0 {
		return fmt.Errorf("drop checkpoint %q in memory: %w", checkpoint, state.ErrNotFound)
	}
	s.checkpoints = slices.Delete(s.checkpoints, i, i+1)
	return nil
}

// Restore puts a checkpoint in place of the store. What was there is kept
// under the name aside, for View.
func (s *Store) Restore(ctx context.Context, checkpoint string) (aside string, err error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("restore checkpoint %q in memory: %w", checkpoint, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := indexOf(s.checkpoints, checkpoint)
	if i < 0 {
		return "", fmt.Errorf("restore checkpoint %q in memory: %w", checkpoint, state.ErrNotFound)
	}
	if aside, err = s.moveAside(); err != nil {
		return "", fmt.Errorf("restore checkpoint %q in memory: %w", checkpoint, err)
	}
	s.root, s.exists = s.checkpoints[i].root, true
	return aside, nil
}

// Reset empties the store. What was there is kept under the name aside, for
// View.
func (s *Store) Reset(ctx context.Context) (aside string, err error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("reset the state in memory: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if aside, err = s.moveAside(); err != nil {
		return "", fmt.Errorf("reset the state in memory: %w", err)
	}
	return aside, nil
}

// moveAside keeps what is there under a name of its own and leaves no store.
func (s *Store) moveAside() (name string, err error) {
	if s.open != nil {
		return "", fmt.Errorf("%w: close it first", state.ErrInUse)
	}
	if !s.exists {
		return "", nil
	}
	name = "aside-" + strconv.Itoa(len(s.asides)+1)
	s.asides = append(s.asides, copied{name, s.root})
	s.root, s.exists = tree{}, false
	return name, nil
}

func indexOf(list []copied, name string) int {
	return slices.IndexFunc(list, func(c copied) bool { return c.name == name })
}
