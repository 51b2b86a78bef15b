package delivery

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// memoryKind says how a sink remembers what it holds.
type memoryKind int

const (
	forgetful memoryKind = iota // no marks
	byLength                    // as a file: the state remembers its length
	byMark                      // as a database: rows and mark in one transaction
)

var errShelf = errors.New("the shelf has broken down")

// shelf is a sink that outlives many deliveries. It is slow now and then, and
// breaks down at one of its calls.
type shelf struct {
	name    string
	kind    memoryKind
	lane    Kind
	queries []string

	mu   sync.Mutex
	rng  *rand.Rand
	rows []string
	// kept is how many rows a crash leaves, committed so many that a Commit
	// has confirmed.
	kept    int
	mark    sink.Mark
	commits int
	// calls until it breaks down; 0 is never. after lets that call take effect.
	calls  int
	after  bool
	broken bool
	// locked is the incarnation that may mark it.
	locked [16]byte
	err    error
}

// asSink is the shelf with the methods that its kind has.
func (s *shelf) asSink() sink.Sink {
	if s.kind == forgetful {
		return s
	}
	return marking{s}
}

func (s *shelf) Open(context.Context) error  { return nil }
func (s *shelf) Close(context.Context) error { return nil }

// call counts a call: what it gives is to be returned, before or after the
// effect.
func (s *shelf) call() (before, after error) {
	if s.rng.IntN(4) == 0 {
		time.Sleep(time.Duration(s.rng.IntN(300)) * time.Microsecond)
	}
	if s.broken {
		return errShelf, nil
	}
	if s.calls == 0 {
		return nil, nil
	}
	if s.calls--; s.calls > 0 {
		return nil, nil
	}
	if s.broken = true; s.after {
		return nil, errShelf
	}
	return errShelf, nil
}

func (s *shelf) Write(_ context.Context, b *result.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, after := s.call()
	if before != nil {
		return before
	}
	for i := range b.Results {
		s.rows = append(s.rows, b.Results[i].KeyJSON)
	}
	for i := range b.Late {
		s.rows = append(s.rows, string(b.Late[i].Event))
	}
	for i := range b.Dead {
		s.rows = append(s.rows, string(b.Dead[i].Raw))
	}
	if s.kind == forgetful {
		s.kept = len(s.rows)
	}
	return after
}

// marking is a shelf with marks.
type marking struct{ *shelf }

func (s marking) Resume(_ context.Context, m sink.Mark, newest uint64, _ bool) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kind == byLength {
		if m.Token == nil {
			if len(s.rows) > 0 {
				return 0, fmt.Errorf("%d rows on a shelf that nobody knows", len(s.rows))
			}
			return m.Epoch, nil
		}
		n := int(binary.BigEndian.Uint64(m.Token))
		if n > s.kept {
			return 0, fmt.Errorf("the state knows of %d rows, %d are there", n, s.kept)
		}
		s.rows, s.kept = s.rows[:n], n
		return m.Epoch, nil
	}
	switch {
	case s.mark.Incarnation == [16]byte{}:
		return m.Epoch, nil
	case s.mark.Incarnation != m.Incarnation || s.mark.Epoch > newest:
		return 0, fmt.Errorf("it is at epoch %d of %x, the state at %d of %x", s.mark.Epoch, s.mark.Incarnation, newest, m.Incarnation)
	}
	return max(s.mark.Epoch, m.Epoch), nil
}

func (s marking) Commit(_ context.Context, m sink.Mark) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, after := s.call()
	if before != nil {
		return nil, before
	}
	if s.locked != m.Incarnation {
		s.err = fmt.Errorf("marked with incarnation %x before that is durable", m.Incarnation)
	}
	s.commits++
	s.mark, s.kept = m, len(s.rows)
	if s.kind == byMark {
		return []byte{}, after
	}
	return binary.BigEndian.AppendUint64(nil, uint64(s.kept)), after
}

// crash loses what was not durable, all of it or some, and repairs the shelf.
func (s *shelf) crash() {
	s.mu.Lock()
	defer s.mu.Unlock()
	keep := s.kept
	if s.kind == byLength {
		keep += s.rng.IntN(len(s.rows) - s.kept + 1)
		s.kept = keep
	}
	s.rows = s.rows[:keep]
	s.broken, s.calls = false, 0
}

// holds reports what the shelf lacks, durably, of rows that it should hold:
// exactly those and in order, or with repeats all of them.
func (s *shelf) holds(want []string, repeats bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.rows[:s.kept]
	if repeats {
		return inOrder(have, want)
	}
	if len(have) < len(want) || !slices.Equal(have[:len(want)], want) {
		return fmt.Errorf("shelf %s has %q, not %q", s.name, have, want)
	}
	return nil
}

// inOrder reports which row is missing, or came last before one that it
// follows.
func inOrder(have, want []string) error {
	last := make(map[string]int, len(have))
	for i, r := range have {
		last[r] = i
	}
	before := -1
	for _, r := range want {
		at, ok := last[r]
		switch {
		case !ok:
			return fmt.Errorf("%s is missing in %q", r, have)
		case at < before:
			return fmt.Errorf("%s came last before what it follows, in %q", r, have)
		}
		before = at
	}
	return nil
}

// wants picks the rows of a lane.
func (s *shelf) wants(rows []row) (out []string) {
	for _, r := range rows {
		if r.lane == s.lane && (len(s.queries) == 0 || slices.Contains(s.queries, r.query)) {
			out = append(out, r.text)
		}
	}
	return out
}

// row is a row of some lane.
type row struct {
	lane        Kind
	query, text string
}

// fill makes a batch of rows.
func fill(d *Delivery, rows []row) *result.Batch {
	b := d.Batch()
	for _, r := range rows {
		switch r.lane {
		case Results:
			b.Results = append(b.Results, result.Result{Query: &result.Query{Name: r.query}, KeyJSON: r.text})
		case Late:
			b.Late = append(b.Late, result.LateEvent{Query: r.query, Event: bytes.Clone([]byte(r.text))})
		case Dead:
			b.Dead = append(b.Dead, result.DeadLetter{Raw: bytes.Clone([]byte(r.text))})
		}
	}
	return b
}
