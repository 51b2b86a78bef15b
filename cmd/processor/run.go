package main

import (
	"fmt"
	"log/slog"

	"github.com/llm-optimizer/processor/internal/logging"
	"github.com/llm-optimizer/processor/pipeline"
)

type runCommand struct {
	configFlag
	Fresh     bool     `help:"Begin with an empty state; one that is there is moved aside."`
	Redeliver bool     `help:"Take over sinks that hold what the state does not know of; rows may come twice."`
	DropSink  []string `sep:"none" placeholder:"NAME" help:"Forget a sink that is not configured any more, with the rows it has not been given (repeatable)."`
}

// Run processes the source to its end or to a signal.
func (r runCommand) Run(c *command) error {
	s := &screen{out: c.stdout, err: c.stderr}
	cfg, err := c.load(r.Config, s.stdout())
	if err != nil {
		return err
	}
	log := cfg.Logger(s.stderr())
	defer func() { _ = logging.Flush(log) }() // of a log that cannot be written nobody reads that
	cfg.Spec.Logger = log
	if err := r.onState(&cfg.Spec); err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
	stopTracing, err := startTracing(cfg, log)
	if err != nil {
		return err
	}
	defer stopTracing()
	watched, err := observe(cfg)
	if err != nil {
		return err
	}
	p, err := cfg.Build()
	if err != nil {
		return err
	}
	ctx, stop := c.signals(log)
	defer stop()
	unserve, err := watched.serve(ctx, cfg, p, log)
	if err != nil {
		return err
	}
	defer unserve()
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
	case cfg.LogLevel.Level() <= slog.LevelInfo:
		writeSummary(c.stderr, summary)
	}
	if err != nil {
		return fmt.Errorf("pipeline %s: %w", cfg.Spec.Name, err)
	}
	return nil
}

// onState hands the flags over that are about durable state.
func (r runCommand) onState(s *pipeline.Spec) error {
	flag := ""
	switch {
	case r.Fresh:
		flag = "--fresh"
	case r.Redeliver:
		flag = "--redeliver"
	case len(r.DropSink) > 0:
		flag = "--drop-sink"
	}
	if flag != "" && s.State.Store == nil {
		return usageError{fmt.Errorf("%s is about durable state, and pipeline %s keeps its state in memory: leave it out, or set state.backend", flag, s.Name)}
	}
	s.State.Fresh, s.State.Redeliver, s.State.DropSinks = r.Fresh, r.Redeliver, r.DropSink
	return nil
}
