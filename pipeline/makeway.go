package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/llm-optimizer/processor/internal/epoch"
)

// letGo closes the store with a state that is given up. That keeps its place
// until the source and the sinks have agreed to begin anew: see makeWay.
func (d *durable) letGo() error {
	db := d.db
	if d.db = nil; db == nil {
		return nil // it could not be opened
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("closing the old state in %s: %w", d.spec.Store, err)
	}
	return nil
}

// makeWay moves the state aside that is given up, if there is one, and opens the
// store for the new one.
func (d *durable) makeWay(ctx context.Context) error {
	if !d.decision.MoveAside {
		return nil
	}
	store := d.spec.Store
	aside, err := store.Reset(ctx)
	if err != nil {
		return fmt.Errorf("moving the old state aside: %w", err)
	}
	d.log.InfoContext(ctx, "moved the old state aside", "state", store.String(), "to", aside)
	d.giveUp(ctx)
	var header *epoch.Header
	if d.db, err = store.Open(ctx); err == nil {
		header, err = epoch.LoadHeader(ctx, d.db)
	}
	if err == nil && header != nil {
		err = errors.New("another process has begun one there in the meantime: start again")
	}
	if err != nil {
		return fmt.Errorf("opening the new state: %w", err)
	}
	d.began(ctx)
	return nil
}

func (d *durable) began(ctx context.Context) {
	d.log.InfoContext(ctx, "began a new state", "state", d.spec.Store.String())
}

// giveUp says which sinks will not get rows that were meant for them.
func (d *durable) giveUp(ctx context.Context) {
	for _, b := range d.decision.Lost {
		d.log.WarnContext(ctx, "rows are given up", "what", b.String())
	}
}
