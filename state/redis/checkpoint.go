package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/llm-optimizer/processor/state"
)

// Checkpoint copies the store under a name.
func (b *backend) Checkpoint(ctx context.Context, name string) error {
	err := b.usable(ctx)
	if err == nil {
		err = validCheckpoint(name)
	}
	if err == nil {
		err = b.checkpoint(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("make checkpoint %q of the state in %s: %w", name, b.store, err)
	}
	return nil
}

func (b *backend) checkpoint(ctx context.Context, name string) error {
	call := rand.Text()
	keys := append([]string{b.names.checkpoints}, b.names.store.all()...)
	keys = append(keys, b.names.checkpoint(name).all()...)
	return b.reader.try(ctx, func(ctx context.Context) error {
		if err := checkRoom(ctx, b.reader.client, b.names.store); err != nil {
			return err
		}
		a, err := run(ctx, b.reader.client, checkpointScript, keys, b.lease.owner.String(), name, call)
		if err != nil {
			return err
		}
		switch a.word {
		case "ok":
			return nil
		case "lost":
			return finalError{errLost}
		case "exists":
			return final("there is one of that name already")
		}
		return a.unexpected()
	})
}

// with calls fn with a link to the server, and says what was attempted.
func (s *Store) with(ctx context.Context, what string, fn func(n names, via *link) error) error {
	n, err := s.names()
	if err == nil {
		err = ctx.Err()
	}
	var via *link
	if err == nil {
		via, err = s.newLink(1)
	}
	if err == nil {
		defer via.close()
		err = fn(n, via)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Checkpoints lists the checkpoints, oldest first.
func (s *Store) Checkpoints(ctx context.Context) (list []string, err error) {
	err = s.with(ctx, "list the checkpoints of the state in "+s.String(), func(n names, via *link) error {
		return via.try(ctx, func(ctx context.Context) (err error) {
			list, err = via.client.ZRange(ctx, n.checkpoints, 0, -1).Result()
			return err
		})
	})
	return list, err
}

// Drop removes a checkpoint.
func (s *Store) Drop(ctx context.Context, checkpoint string) error {
	return s.with(ctx, "drop "+s.part(checkpoint), func(n names, via *link) error {
		if validCheckpoint(checkpoint) != nil {
			return state.ErrNotFound // there cannot be one
		}
		before := false // it was there, but the reply may have been lost
		return via.try(ctx, func(ctx context.Context) error {
			count, err := via.client.Exists(ctx, n.checkpoint(checkpoint).meta).Result()
			if err != nil {
				return err
			}
			before = before || count > 0
			a, err := run(ctx, via.client, dropScript, append([]string{n.checkpoints}, n.checkpoint(checkpoint).all()...), checkpoint)
			if err == nil && a.word == "none" && !before {
				return finalError{state.ErrNotFound}
			}
			return err
		})
	})
}

// Restore puts a copy of a checkpoint in place of the store. What was there
// stays on the server under keys that begin with aside.
func (s *Store) Restore(ctx context.Context, checkpoint string) (aside string, err error) {
	err = s.with(ctx, "restore "+s.part(checkpoint), func(n names, via *link) (err error) {
		if validCheckpoint(checkpoint) != nil {
			return state.ErrNotFound
		}
		from := n.checkpoint(checkpoint)
		count := int64(0)
		err = via.try(ctx, func(ctx context.Context) (err error) {
			count, err = via.client.Exists(ctx, from.meta).Result()
			return err
		})
		if err == nil && count == 0 {
			err = state.ErrNotFound
		}
		if err == nil {
			aside, err = s.replace(ctx, n, via, &from)
		}
		return err
	})
	return aside, err
}

// Reset moves the store aside: it stays on the server under keys that begin
// with aside.
func (s *Store) Reset(ctx context.Context) (aside string, err error) {
	err = s.with(ctx, "reset the state in "+s.String(), func(n names, via *link) (err error) {
		aside, err = s.replace(ctx, n, via, nil)
		return err
	})
	return aside, err
}

// replace takes the lease, moves the store aside and puts a copy of from in
// its place, if that is not nil.
func (s *Store) replace(ctx context.Context, n names, via *link, from *triple) (aside string, err error) {
	srv, err := look(ctx, via)
	if err == nil {
		err = errors.Join(srv.checkVersion(), srv.checkWritable())
	}
	if err != nil {
		return "", err
	}
	l := s.newLease(n)
	if _, err := l.acquire(ctx, via, false); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.release(via)) }()
	if from != nil {
		err := via.try(ctx, func(ctx context.Context) error { return checkRoom(ctx, via.client, *from) })
		if err != nil {
			return "", err
		}
	}
	return l.replace(ctx, via, from)
}

// replace moves the store to the first name that is free.
func (l *lease) replace(ctx context.Context, via *link, from *triple) (aside string, err error) {
	call := rand.Text()
	var now time.Time
	err = via.try(ctx, func(ctx context.Context) (err error) {
		now, err = via.client.Time(ctx).Result()
		return err
	})
	if err != nil {
		return "", err
	}
	stamp := now.UTC().Format("20060102-150405")
	aside = l.names.aside(stamp)
	for n := 2; ; n++ {
		word, moved, err := l.replaceAs(ctx, via, call, aside, from)
		switch {
		case err != nil:
			return "", err
		case word == "taken":
			aside = l.names.aside(fmt.Sprintf("%s-%d", stamp, n))
		case !moved:
			return "", nil
		default:
			return aside, nil
		}
	}
}

func (l *lease) replaceAs(ctx context.Context, via *link, call, aside string, from *triple) (word string, moved bool, err error) {
	keys := append([]string{l.names.lease}, l.names.store.all()...)
	keys = append(keys, tripleAt(aside).all()...)
	if from != nil {
		keys = append(keys, from.all()...)
	}
	err = via.try(ctx, func(ctx context.Context) error {
		a, err := run(ctx, via.client, replaceScript, keys, l.owner.String(), call, flag(from != nil))
		if err != nil {
			return err
		}
		word, moved = a.word, a.number(0) == 1
		switch a.word {
		case "ok", "taken":
			return nil
		case "none":
			return finalError{state.ErrNotFound}
		case "lost":
			return finalError{errLost}
		}
		return a.unexpected()
	})
	return word, moved, err
}
