package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/llm-optimizer/processor/config"
	"github.com/llm-optimizer/processor/internal/tracing"
)

// lastSpans is how long the end of a run waits for the collector.
const lastSpans = 5 * time.Second

// startTracing begins to send spans if the config says where to, and gives the
// pipeline what makes them. stop sends the last of them.
func startTracing(cfg *config.Config, log *slog.Logger) (stop func(), err error) {
	t := cfg.Telemetry
	if t == nil {
		return func() {}, nil
	}
	made, err := tracing.New(context.Background(), tracing.Config{
		Endpoint: t.Endpoint, Headers: t.Headers, Service: t.Service, Version: describeVersion(), Pipeline: cfg.Spec.Name, Log: log,
	})
	if err != nil {
		return nil, err
	}
	cfg.Spec.Tracer, cfg.Spec.TraceBatches = made.Tracer(), t.Sample
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
		defer cancel()
		if err := made.Close(ctx); err != nil {
			log.Warn("the last spans are lost", "err", err)
		}
	}, nil
}
