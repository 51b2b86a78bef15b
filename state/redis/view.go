package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/llm-optimizer/processor/state"
)

// view is a store or a checkpoint to read only.
type view struct {
	what   string // for messages
	via    *link
	read   request
	copied bool // read is of a copy, which is ours

	checkpoint bool
	lease      *lease // of which only the times and the name are used
	stop       context.CancelFunc
	kept       chan struct{} // closed when the keeper has stopped; nil without one
	closed     sync.Once
	done       context.Context // ended when the view is closed
}

func (s *Store) view(ctx context.Context, checkpoint string) (*view, error) {
	n, err := s.names()
	if err != nil {
		return nil, err
	}
	if checkpoint != "" && validCheckpoint(checkpoint) != nil {
		return nil, state.ErrNotFound
	}
	via, err := s.newLink(2)
	if err != nil {
		return nil, err
	}
	v := &view{what: s.part(checkpoint), via: via, checkpoint: checkpoint != "", lease: s.newLease(n)}
	v.done, v.stop = context.WithCancel(context.Background())
	from := n.store
	if v.checkpoint {
		from = n.checkpoint(checkpoint)
	}
	if err := v.find(ctx, n, from); err != nil {
		v.stop()
		via.close()
		return nil, err
	}
	if v.copied {
		v.kept = make(chan struct{})
		go v.keep()
	}
	return v, nil
}

// find sees what there is, and copies it if it is in use.
func (v *view) find(ctx context.Context, n names, from triple) error {
	to := n.copy(v.lease.owner.random)
	keys := append(append([]string{n.lease}, from.all()...), to.all()...)
	return v.via.try(ctx, func(ctx context.Context) error {
		a, err := run(ctx, v.via.client, viewScript, keys, 0, 0)
		if err != nil {
			return err
		}
		v.read = request{from: from}
		if a.word == "used" && !v.checkpoint {
			if err := checkRoom(ctx, v.via.client, from); errors.As(err, new(finalError)) {
				return final("%w, and to read it meanwhile %w", state.ErrInUse, err)
			}
			if a, err = run(ctx, v.via.client, viewScript, keys, 1, v.lease.copies.Milliseconds()); err != nil {
				return err
			}
			if v.copied = a.word == "used"; v.copied {
				v.read.from = to
			}
		}
		if a.word == "none" {
			return finalError{state.ErrNotFound}
		}
		v.read.owner, v.read.moment = a.text(0), a.text(1)
		if err := checkFormat(a.text(2)); err != nil {
			return err
		}
		return checkCounts(a.text(3), a.number(4), a.number(5))
	})
}

// keep renews the copy until the view is closed.
func (v *view) keep() {
	defer close(v.kept)
	for {
		pause(v.done, v.lease.period())
		if v.done.Err() != nil {
			return
		}
		_ = v.via.try(v.done, func(ctx context.Context) error { // a Scan finds out what is gone
			pipe := v.via.client.Pipeline()
			for _, key := range v.read.from.all() {
				pipe.PExpire(ctx, key, v.lease.copies)
			}
			_, err := pipe.Exec(ctx)
			return err
		})
	}
}

func (v *view) usable(ctx context.Context) error {
	if v.done.Err() != nil {
		return os.ErrClosed
	}
	return ctx.Err()
}

func (v *view) Apply(context.Context, ...*state.Batch) error {
	return fmt.Errorf("apply to %s: %w", v.what, state.ErrReadOnly)
}

// Get reads a page of one key: it sees whether the store is still the same.
func (v *view) Get(ctx context.Context, key []byte) (value []byte, err error) {
	if err = v.usable(ctx); err == nil {
		var p page
		p, err = v.page(ctx, key, append(append([]byte(nil), key...), 0))
		if err == nil && len(p.items) == 0 {
			err = state.ErrNotFound
		}
		if err == nil {
			err = p.each(func(_, found []byte) error { value = found; return nil })
		}
	}
	if err != nil {
		return nil, fmt.Errorf("get key %x from %s: %w", key, v.what, err)
	}
	return value, nil
}

// Scan reads pages of what does not change.
func (v *view) Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	for {
		err := v.usable(ctx)
		var p page
		if err == nil {
			p, err = v.page(ctx, from, to)
		}
		if err != nil {
			return fmt.Errorf("scan %s: %w", v.what, err)
		}
		if err := p.each(fn); err != nil {
			return err
		}
		if !p.more {
			return nil
		}
		from = p.after()
	}
}

// page reads one page and says what it means that the store has changed.
func (v *view) page(ctx context.Context, from, to []byte) (page, error) {
	p, err := v.read.page(ctx, v.via, from, to)
	switch {
	case !errors.Is(err, errLost):
	case v.checkpoint:
		err = fmt.Errorf("%w: it was dropped meanwhile", state.ErrNotFound)
	case v.copied:
		err = errors.New("the copy to read from is gone: it was not renewed in time")
	default:
		err = fmt.Errorf("%w, which opened the store while it was read: try again, or view a checkpoint", state.ErrInUse)
	}
	return p, err
}

// Close removes the copy, if there is one.
func (v *view) Close() error {
	v.closed.Do(func() {
		v.stop()
		if v.kept != nil {
			<-v.kept
			v.via.unlink(v.read.from)
		}
		v.via.close()
	})
	return nil
}
