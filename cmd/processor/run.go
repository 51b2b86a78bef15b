package main

import (
	"fmt"
	"log/slog"
)

type runCommand struct{ configFlag }

// Run processes the source to its end or to a signal.
func (r runCommand) Run(c *command) error {
	s := &screen{out: c.stdout, err: c.stderr}
	cfg, err := c.load(r.Config, s.stdout())
	if err != nil {
		return err
	}
	log := cfg.Logger(s.stderr())
	cfg.Spec.Logger = log
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
	p, err := cfg.Build()
	if err != nil {
		return err
	}
	ctx, stop := c.signals(log)
	defer stop()
	finish := func() {}
	if c.live && !cfg.LogJSON {
		finish = s.follow(p.Progress)
	}
	summary, err := p.Run(ctx)
	finish()
	switch {
	case err != nil && summary.Events+summary.Dead == 0:
		// It never began.
	case cfg.LogJSON:
		log.Info("finished", summaryAttrs(summary)...)
	case cfg.LogLevel <= slog.LevelInfo:
		writeSummary(c.stderr, summary)
	}
	if err != nil {
		return fmt.Errorf("pipeline %s: %w", cfg.Spec.Name, err)
	}
	return nil
}
