package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/internal/epoch"
)

// loadPending lists the epochs whose rows the outbox has, and checks them. It
// also finds the rows that no sink takes any more, as when a query was removed
// from the pipeline and thus from the queries of its sink.
func (r *recovery) loadPending(ctx context.Context, d *durable) error {
	c := newClaims(r.p.lanes)
	err := epoch.Outbox(ctx, d.db, 0, d.record.Number+1, func(n uint64, _ uint32, payload []byte) error {
		if last := len(d.pending) - 1; last < 0 || d.pending[last].Epoch != n {
			d.pending = append(d.pending, delivery.Pending{Epoch: n})
		}
		d.pending[len(d.pending)-1].Bytes += int64(len(payload))
		return c.look(payload)
	})
	if err != nil {
		return fmt.Errorf("reading the rows that sinks lack: %w", err)
	}
	d.unclaimed = slices.Sorted(maps.Keys(c.unclaimed))
	return nil
}

// claims compares the rows of the outbox with what sinks take.
type claims struct {
	lanes      []delivery.Lane
	kinds      delivery.Kind // that some sink takes
	allResults bool          // some sink takes those of every query
	decoder    epoch.Decoder
	unclaimed  map[string]bool
}

func newClaims(lanes []delivery.Lane) *claims {
	c := &claims{lanes: lanes, unclaimed: map[string]bool{}}
	for _, l := range lanes {
		c.kinds |= l.Kind
		c.allResults = c.allResults || l.Kind&delivery.Results != 0 && len(l.Queries) == 0
	}
	return c
}

// look notes what of a block no sink takes.
func (c *claims) look(payload []byte) error {
	if c.allResults && c.kinds&delivery.Late != 0 && c.kinds&delivery.Dead != 0 {
		return nil
	}
	has, err := c.decoder.Contents(payload)
	if err != nil {
		return err
	}
	if has.Late > 0 && c.kinds&delivery.Late == 0 {
		c.unclaimed["late events"] = true
	}
	if has.Dead > 0 && c.kinds&delivery.Dead == 0 {
		c.unclaimed["dead letters"] = true
	}
	for _, query := range has.Queries {
		if !c.takes(query) {
			c.unclaimed["results of query "+strconv.Quote(query)] = true
		}
	}
	return nil
}

func (c *claims) takes(query string) bool {
	return slices.ContainsFunc(c.lanes, func(l delivery.Lane) bool { return l.Kind&delivery.Results != 0 && l.Takes(query) })
}
