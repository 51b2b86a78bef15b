package redis

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strconv"

	"github.com/llm-optimizer/processor/state"
)

// The size of a page: so many keys, and about so many bytes.
const (
	pageKeys  = 1000
	pageBytes = 1 << 20
)

// scan is a Scan of the backend that has pages still to come.
type scan struct {
	from, to []byte // what is still to come; a nil to means the end
	copy     triple // where it goes on once an Apply has overtaken it
	copied   bool   // the copy is there
}

// Scan reads pages, all of the store as it was at the first one.
func (b *backend) Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	if err := b.usable(ctx); err != nil {
		return fmt.Errorf("scan the state in %s: %w", b.store, err)
	}
	s, p, err := b.begin(ctx, from, to)
	if s != nil {
		defer b.end(s)
	}
	for err == nil {
		if err := p.each(fn); err != nil {
			return err
		}
		if !p.more {
			return nil
		}
		if err = b.usable(ctx); err == nil {
			p, err = b.advance(ctx, s)
		}
	}
	return fmt.Errorf("scan the state in %s: %w", b.store, err)
}

// begin reads the first page, while no Apply is under way, and remembers a
// scan with more pages.
func (b *backend) begin(ctx context.Context, from, to []byte) (*scan, page, error) {
	if err := b.take(ctx); err != nil {
		return nil, page{}, err
	}
	defer b.give()
	p, err := b.request(nil).page(ctx, b.reader, from, to)
	if err != nil || !p.more {
		return nil, p, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	s := &scan{from: p.after(), to: to, copy: b.names.copy(b.lease.owner.random + "-" + strconv.Itoa(b.next))}
	b.scans[s] = struct{}{}
	return s, p, nil
}

// advance reads the next page.
func (b *backend) advance(ctx context.Context, s *scan) (page, error) {
	b.mu.Lock()
	r := b.request(s)
	from := s.from
	b.mu.Unlock()
	p, err := r.page(ctx, b.reader, from, s.to)
	if err == nil && p.more {
		b.mu.Lock()
		s.from = p.after()
		b.mu.Unlock()
	}
	return p, err
}

func (b *backend) request(s *scan) request {
	r := request{from: b.names.store, owner: b.lease.owner.String()}
	if s != nil {
		r.copy, r.copied = s.copy, s.copied
	}
	return r
}

// end forgets a scan and its copy. A copy that is being made is Apply's to
// remove.
func (b *backend) end(s *scan) {
	b.mu.Lock()
	delete(b.scans, s)
	copied := s.copied
	b.mu.Unlock()
	if copied {
		b.reader.unlink(s.copy)
	}
}

// unlink removes a copy. If that fails its time runs out.
func (l *link) unlink(t triple) {
	ctx, cancel := l.brief()
	defer cancel()
	err := l.try(ctx, func(ctx context.Context) error { return l.client.Unlink(ctx, t.all()...).Err() })
	if err != nil {
		l.log.Debug("a copy is left to its lifetime", "error", err)
	}
}

// copies lists the copies that scans read.
func (b *backend) copies() (list []triple) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.scans {
		if s.copied {
			list = append(list, s.copy)
		}
	}
	return list
}

// overtake returns the scans that would see what the batches change.
func (b *backend) overtake(batches []*state.Batch) (list []*scan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.scans {
		if !s.copied && s.touchedBy(batches) {
			list = append(list, s)
		}
	}
	return list
}

// overtook says that an Apply has made the copies, or failed.
func (b *backend) overtook(list []*scan, made bool) {
	for _, s := range list {
		b.mu.Lock()
		s.copied = made
		_, on := b.scans[s]
		b.mu.Unlock()
		if !on {
			b.reader.unlink(s.copy)
		}
	}
}

func (s *scan) touchedBy(batches []*state.Batch) bool {
	for _, batch := range batches {
		for op := range batch.All() {
			if s.touches(op) {
				return true
			}
		}
	}
	return false
}

// touches reports whether an operation changes what is still to come.
func (s *scan) touches(op state.Op) bool {
	if op.Kind != state.DeleteRange {
		return bytes.Compare(op.Key, s.from) >= 0 && s.before(op.Key)
	}
	return bytes.Compare(op.Value, s.from) > 0 && s.before(op.Key)
}

func (s *scan) before(key []byte) bool { return s.to == nil || bytes.Compare(key, s.to) < 0 }

// request is how to ask for a page.
type request struct {
	from   triple
	owner  string
	moment string // as which it must still be: the last Apply, and what made the store; "": any
	copy   triple // is read instead of from if it is there; none if empty
	copied bool   // it has to be there
}

// page is a part of a scan: keys and values by turns.
type page struct {
	items []any
	more  bool
}

// page reads one page.
func (r request) page(ctx context.Context, via *link, from, to []byte) (p page, err error) {
	keys := r.from.all()
	if r.copy != (triple{}) {
		keys = append(keys, r.copy.keys, r.copy.values)
	}
	end := "+"
	if to != nil {
		end = "(" + string(to)
	}
	err = via.try(ctx, func(ctx context.Context) error {
		a, err := run(ctx, via.client, pageScript, keys,
			"["+string(from), end, pageKeys, pageBytes, r.owner, r.moment, flag(r.copied))
		if err != nil {
			return err
		}
		switch a.word {
		case "ok":
			p.more = a.number(0) == 1
			p.items, _ = a.rest[1].([]any)
			return nil
		case "lost":
			return finalError{errLost}
		case "gone":
			return final("the copy to read from is gone: it was not renewed in time")
		case "hole":
			return final("%w: key %x has no value: the server has lost some, or somebody else has written there; "+
				"restore a checkpoint with `processor state restore`", state.ErrCorrupt, a.text(0))
		}
		return a.unexpected()
	})
	return p, err
}

// each calls fn for the keys and values.
func (p page) each(fn func(key, value []byte) error) error {
	for i := 0; i+1 < len(p.items); i += 2 {
		key, _ := p.items[i].(string)
		value, _ := p.items[i+1].(string)
		if err := fn([]byte(key), []byte(value)); err != nil {
			return err
		}
	}
	return nil
}

// after is the least key that follows the page.
func (p page) after() []byte {
	key, _ := p.items[len(p.items)-2].(string)
	return append([]byte(key), 0)
}

// pairs goes through the keys of a triple and those of another.
func (t triple) pairs(other triple) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		to := other.all()
		for i, key := range t.all() {
			if !yield(key, to[i]) {
				return
			}
		}
	}
}
