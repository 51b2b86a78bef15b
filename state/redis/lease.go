package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/llm-optimizer/processor/state"
)

// lease is the right to change a store, while this instance has it.
type lease struct {
	names  names
	owner  identity
	length time.Duration
	copies time.Duration // how long a copy lives without being renewed
}

func (s *Store) newLease(n names) *lease {
	return &lease{names: n, owner: newIdentity(), length: s.lease(), copies: s.copies()}
}

// period is how often the lease is renewed.
func (l *lease) period() time.Duration { return max(l.length/5, time.Millisecond) }

// acquire takes the lease as soon as nobody has it, or finds that its holder
// renews it: that is ErrInUse. make says whether the store is made if there is
// none; it then returns the number of the last Apply.
func (l *lease) acquire(ctx context.Context, via *link, create bool) (applied string, err error) {
	err = via.try(ctx, func(ctx context.Context) (err error) {
		applied, err = l.wait(ctx, via, create)
		return err
	})
	return applied, err
}

// wait asks for the lease until it is granted or its holder has been seen to
// renew it.
func (l *lease) wait(ctx context.Context, via *link, create bool) (applied string, err error) {
	var holder, beat, gone string
	for {
		a, err := run(ctx, via.client, acquireScript,
			[]string{l.names.lease, l.names.store.keys, l.names.store.values, l.names.store.meta},
			l.owner.String(), l.length.Milliseconds(), gone, flag(create), format)
		if err != nil {
			return "", err
		}
		switch a.word {
		case "ok":
			return a.text(0), nil
		case "format":
			return "", checkFormat(a.text(0))
		case "counts":
			return "", checkCounts(a.text(0), a.number(1), a.number(2))
		case "held":
		default:
			return "", a.unexpected()
		}
		id, _ := parseIdentity(a.text(0))
		switch {
		case l.owner.gone(id):
			gone = a.text(0)
			via.log.Info("the instance that had the state open has ended without closing it", "instance", id.describe())
			continue
		case holder == a.text(0) && beat != a.text(1):
			return "", final("%w: %s renews its lease: stop it first", state.ErrInUse, id.describe())
		}
		holder, beat = a.text(0), a.text(1)
		pause(ctx, l.period()/2)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
}

// samples is of how many values the size of a store is judged: enough for a
// figure, and well below a millisecond for the server.
const samples = 500

// renew renews the lease, and the copies given. It returns how much memory the
// store takes, -1 where the server does not say.
func (l *lease) renew(ctx context.Context, via *link, copies []triple) (size int64, err error) {
	keys := append([]string{l.names.lease}, l.names.store.all()...)
	for _, c := range copies {
		keys = append(keys, c.all()...)
	}
	err = via.try(ctx, func(ctx context.Context) error {
		a, err := run(ctx, via.client, renewScript, keys,
			l.owner.String(), l.length.Milliseconds(), l.copies.Milliseconds(), samples)
		switch {
		case err != nil:
			return err
		case a.word == "lost":
			return finalError{errLost}
		}
		size = a.number(0)
		return nil
	})
	return size, err
}

// release gives the lease back. It does not take the time that other calls do:
// the lease ends by itself.
func (l *lease) release(via *link) error {
	ctx, cancel := via.brief()
	defer cancel()
	err := via.try(ctx, func(ctx context.Context) error {
		_, err := run(ctx, via.client, releaseScript, []string{l.names.lease, l.names.store.meta}, l.owner.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("give back the lease, which ends by itself after %s: %w", l.length, err)
	}
	return nil
}

func flag(set bool) int {
	if set {
		return 1
	}
	return 0
}
