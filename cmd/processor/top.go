package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/llm-optimizer/processor/internal/top"
)

type topCommand struct {
	askFlags
	Interval time.Duration `default:"1s" help:"How long to wait between two questions."`
	Once     bool          `help:"Print one overview as text and exit; with --interval 0s at once, without rates."`
}

// Run shows the overview until the user has seen enough.
func (t topCommand) Run(c *command) error {
	if t.Interval < top.MinInterval && !(t.Once && t.Interval == 0) {
		return usageError{fmt.Errorf("--interval %v is too short: at least %v", t.Interval, top.MinInterval)}
	}
	address, err := t.address(c)
	if err != nil {
		return err
	}
	client, err := top.NewClient(address)
	if err != nil {
		return usageError{err}
	}
	defer client.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := top.Options{
		API: client, Address: client.Address(), Interval: t.Interval, Now: time.Now, Look: top.LookOf(c.environ),
	}
	in, reads := c.stdin.(*os.File)
	out, draws := c.stdout.(*os.File)
	switch {
	case t.Once:
		err = top.Once(ctx, o, c.stdout)
	case o.Look.Dumb || !reads || !draws || !isTerminal(in) || !isTerminal(out):
		err = top.Follow(ctx, o, c.stdout)
	default:
		err = top.Run(ctx, o, in, out, c.environ)
	}
	return err
}
