package main

import (
	"fmt"
	"io"

	"github.com/llm-optimizer/processor/config"
	"github.com/llm-optimizer/processor/pipeline"
)

type validateCommand struct{ configFlag }

// Run loads and plans the pipeline; nothing is opened.
func (v validateCommand) Run(c *command) error {
	cfg, err := c.load(v.Config, io.Discard)
	if err != nil {
		return err
	}
	if _, err := cfg.Build(); err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(c.stderr, "warning:", w)
	}
	_, err = fmt.Fprintf(c.stdout, "%s is valid: %s to %s\n", v.Config,
		plural(len(cfg.Spec.Queries), "query", "queries"), plural(len(cfg.Spec.Sinks), "sink", "sinks"))
	return err
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(int64(n)) + " " + many
}

type explainCommand struct{ configFlag }

// Run prints the plan.
func (e explainCommand) Run(c *command) error {
	cfg, err := c.load(e.Config, io.Discard)
	if err != nil {
		return err
	}
	p, err := cfg.Build()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s\n%s", p.Explain(), explainState(&cfg.Spec))
	return err
}

// explainState says what survives the process and when results leave.
func explainState(s *pipeline.Spec) string {
	st := &s.State
	if st.Store == nil {
		return "state     in memory: nothing outlives the process\ndelivery  at least once: results leave as soon as they are made\n"
	}
	checkpoints := "no checkpoints"
	if st.CheckpointEvery > 0 && st.Retain > 0 {
		checkpoints = fmt.Sprintf("a checkpoint every %v, %d kept", st.CheckpointEvery, st.Retain)
	}
	delivery := "exactly once: results leave when their epoch is durable"
	if s.Delivery == pipeline.AtLeastOnce {
		delivery = "at least once: results leave as soon as they are made"
	}
	return fmt.Sprintf("state     %s: an epoch at least every %v, %s\ndelivery  %s\n", st.Store, st.Epoch, checkpoints, delivery)
}

type schemaCommand struct{}

// Run prints the JSON Schema.
func (schemaCommand) Run(c *command) error {
	_, err := c.stdout.Write(config.Schema())
	return err
}
