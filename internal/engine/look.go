package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/llm-optimizer/processor/internal/exchange"
)

// Window is an open window of one key, as it is at the moment.
type Window struct {
	Start, End int64
	// Key and Values are JSON objects, as in a result.
	Key, Values string
	Events      int64
	Fired       uint32
	// Closed says that the watermark has passed the end.
	Closed bool
}

// Group is the open windows with the same bounds; of sessions each is one.
type Group struct {
	Start, End int64
	// Keys is how many keys it has; of a sliding window, which is merged from
	// panes when it fires, how many its fullest pane has. Events are not known
	// of such a one and 0.
	Keys, Events int64
	Closed       bool
	// ClosesAt is the watermark at which it fires, or when it has, dies;
	// event.MaxTime for never.
	ClosesAt int64
}

// errEnded is why there is nothing to see.
var errEnded = errors.New("the run has ended")

// lookup is what somebody wants to see of one query in one shard. The mergers
// add windows that end early first, as far as that is cheap; best sorts.
type lookup struct {
	key     string // as JSON; "" is any
	limit   int
	windows []Window
	total   int
}

// full reports whether enough windows were found.
func (l *lookup) full() bool { return len(l.windows) >= l.limit }

// Windows returns open windows of a query, those that end first, at most limit
// of them, and how many there are (of sliding windows that share panes: at
// least). It waits for the shards to come to it, until ctx ends.
func (r *Runner) Windows(ctx context.Context, query int, key string, limit int) (windows []Window, total int, err error) {
	found := make([]lookup, len(r.shards))
	err = r.look(ctx, func(i int) {
		found[i] = lookup{key: key, limit: limit}
		r.shards[i].mergers[query].look(&found[i])
	})
	if err != nil {
		return nil, 0, err
	}
	for i := range found {
		windows, total = append(windows, found[i].windows...), total+found[i].total
	}
	slices.SortFunc(windows, func(a, b Window) int {
		return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.Start, b.Start), cmp.Compare(a.Key, b.Key))
	})
	return windows[:min(len(windows), limit)], total, nil
}

// Groups returns the open windows of a query by their bounds, those that close
// next first, at most limit of them, and how many there are.
func (r *Runner) Groups(ctx context.Context, query, limit int) (groups []Group, total int, err error) {
	found := make([][]Group, len(r.shards))
	counts := make([]int, len(r.shards))
	err = r.look(ctx, func(i int) {
		r.shards[i].mergers[query].groups(func(g Group) {
			counts[i]++
			found[i] = append(found[i], g)
			if len(found[i]) >= 4*limit {
				found[i] = first(found[i], limit)
			}
		})
	})
	if err != nil {
		return nil, 0, err
	}
	aligned := r.cfg.Plan.Queries[query].Aligned != nil
	for i := range found {
		groups, total = append(groups, found[i]...), total+counts[i]
	}
	sortGroups(groups)
	if aligned {
		before := len(groups)
		groups = joined(groups)
		total -= before - len(groups)
	}
	return groups[:min(len(groups), limit)], total, nil
}

func sortGroups(all []Group) {
	slices.SortFunc(all, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.ClosesAt, b.ClosesAt), cmp.Compare(a.End, b.End), cmp.Compare(a.Start, b.Start))
	})
}

// first is the n groups that close next.
func first(all []Group, n int) []Group {
	sortGroups(all)
	return all[:min(len(all), n)]
}

// joined puts the parts of windows that several shards have together.
func joined(all []Group) []Group {
	out := all[:0]
	for _, g := range all {
		if n := len(out) - 1; n >= 0 && out[n].Start == g.Start && out[n].End == g.End {
			out[n].Keys += g.Keys
			out[n].Events += g.Events
			continue
		}
		out = append(out, g)
	}
	return out
}

// look calls fn in the goroutine of each shard, between two flushes.
func (r *Runner) look(ctx context.Context, fn func(shard int)) error {
	seen := make(chan struct{}, len(r.shards))
	f := exchange.Flush{Kind: exchange.Look, Look: func(i int) {
		fn(i)
		seen <- struct{}{}
	}}
	if err := r.sendLook(ctx, f); err != nil {
		return err
	}
	for range r.shards {
		select {
		case <-seen:
		case <-r.over:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("waiting for a look at the windows, which wait for something themselves, such as a sink: %w", context.Cause(ctx))
		}
	}
	return nil
}

// sendLook sends a look to all shards. It neither waits in the line of those
// that hand flushes over, which wait for shards and these perhaps for a sink,
// nor makes them wait for a look.
func (r *Runner) sendLook(ctx context.Context, f exchange.Flush) error {
	const again = time.Millisecond
	for !r.lockIfRoom() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting to look at the windows, which are busy: %w", context.Cause(ctx))
		case <-time.After(again):
		}
	}
	defer r.mu.Unlock()
	select {
	case <-r.over:
		return errEnded
	default:
	}
	for s := range r.shards {
		one := f
		if err := r.exchange.Send(ctx, s, &one); err != nil {
			return err
		}
	}
	return nil
}

// lockIfRoom locks the runner if that is possible at once, and so is a flush to
// every shard.
func (r *Runner) lockIfRoom() bool {
	if !r.mu.TryLock() {
		return false
	}
	if r.exchange.Room() {
		return true
	}
	r.mu.Unlock()
	return false
}

// closeExchange ends the shards; nothing is sent or looked at afterwards.
func (r *Runner) closeExchange() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.over)
	r.exchange.Close()
}
