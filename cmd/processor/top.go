package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/llm-optimizer/processor/config"
	"github.com/llm-optimizer/processor/internal/top"
)

type topCommand struct {
	Config   string        `short:"c" placeholder:"FILE" help:"The YAML config of the pipeline, for its server.listen."`
	URL      string        `placeholder:"URL" help:"Where the pipeline answers, instead of what the config says (default: http://127.0.0.1:8080)."`
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

// address is where the pipeline is asked.
func (t topCommand) address(c *command) (string, error) {
	if t.URL != "" || t.Config == "" {
		return cmp.Or(t.URL, top.DefaultURL), nil
	}
	cfg, err := c.load(t.Config, io.Discard)
	if err != nil {
		return "", err
	}
	return serverURL(cfg)
}

// serverURL is where the pipeline of a config listens.
func serverURL(cfg *config.Config) (string, error) {
	if cfg.Server == nil {
		return "", usageError{errors.New("the config has no server section, so nothing answers: add one, such as server: {listen: \"127.0.0.1:8080\"}, or give --url")}
	}
	return top.URLOf(cfg.Server.Listen)
}
