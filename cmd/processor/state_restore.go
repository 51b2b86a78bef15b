package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/internal/epoch"
)

type stateRestoreCommand struct {
	storeFlag
	Checkpoint string `arg:"" help:"The checkpoint to go back to; ls lists them."`
}

// Run puts a checkpoint in place of the state, once all of it is known to be
// whole.
func (r stateRestoreCommand) Run(c *command) error {
	s, err := r.store(c)
	if err != nil {
		return err
	}
	ctx := context.Background()
	name := nameOf(s, r.Checkpoint)
	report, err := inspect(ctx, s, r.Checkpoint)
	if err != nil {
		return err
	}
	if err := damage(c.stdout, name, report); err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	aside, err := s.Restore(ctx, r.Checkpoint)
	if err != nil {
		return err
	}
	writeRestored(c.stdout, name, aside, report, time.Now())
	return nil
}

// writeRestored says what was done and what it means for the next start.
func writeRestored(w io.Writer, name, aside string, r *epoch.Report, now time.Time) {
	fmt.Fprintf(w, "%s is in place: epoch %d, %s ago\n", name, r.Epoch, age(now.Sub(r.Time)))
	if aside != "" {
		fmt.Fprintf(w, "What was there is now in %s; remove it when it is not needed any more.\n", aside)
	}
	fmt.Fprintf(w, "The next start reads on from the positions of that epoch, so what came after it is computed again.\n")
	var marked, others []string
	for _, s := range r.Sinks {
		if s.Marks {
			marked = append(marked, s.Name)
		} else {
			others = append(others, s.Name)
		}
	}
	if len(marked) > 0 {
		fmt.Fprintf(w, "Sinks with marks (%s): a file is cut to the length it had then; a transactional sink that holds later epochs refuses, and --redeliver takes it over at least once.\n", strings.Join(marked, ", "))
	}
	if len(others) > 0 {
		fmt.Fprintf(w, "Sinks without (%s): rows after that epoch come again, under the same ids.\n", strings.Join(others, ", "))
	}
}
