package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/llm-optimizer/processor/config"
	"github.com/llm-optimizer/processor/internal/metrics"
	"github.com/llm-optimizer/processor/internal/server"
	"github.com/llm-optimizer/processor/pipeline"
)

// closeTimeout is how long requests may go on when the pipeline has ended.
const closeTimeout = 5 * time.Second

// views are what the server shows beside what it asks the pipeline: they exist
// before the pipeline, which is built with their hooks.
type views struct {
	recent  *server.Recent
	samples *server.Samples
	metrics *metrics.Metrics
	// pipeline is nil until it is served.
	pipeline *pipeline.Pipeline
}

func (v *views) status() pipeline.Status { return v.pipeline.Status() }

func (v *views) ready() bool { return server.Ready(v.status()) }

// observe has the pipeline of a config tell what it does; without a section
// server nobody asks, and nothing is told.
func observe(cfg *config.Config) (*views, error) {
	if cfg.Server == nil {
		return nil, nil
	}
	v := &views{recent: server.NewRecent(), samples: server.NewSamples()}
	v.metrics = metrics.New(describeVersion(), v.status, v.ready)
	for _, c := range cfg.Collectors() {
		if err := v.metrics.Register(c); err != nil {
			return nil, fmt.Errorf("showing a sink's windows in /metrics: %w", err)
		}
	}
	cfg.Spec.Observer = pipeline.Observers(
		v.metrics.Observer(),
		pipeline.Observer{Results: v.recent.Results, Late: v.samples.Late, Dead: v.samples.Dead},
	)
	return v, nil
}

// serve answers requests about a pipeline from before it runs until stop.
func (v *views) serve(ctx context.Context, cfg *config.Config, p *pipeline.Pipeline, log *slog.Logger) (stop func(), err error) {
	if v == nil {
		return func() {}, nil
	}
	v.pipeline = p
	s := server.New(server.Config{
		Listen: cfg.Server.Listen, Token: cfg.Server.Token, Name: filepath.Base(cfg.File), Pipeline: p,
		Recent: v.recent, Samples: v.samples, Metrics: v.metrics.Handler(), Level: cfg.LogLevel, Logger: log,
	})
	if err := s.Start(ctx); err != nil {
		return nil, fmt.Errorf("pipeline %s: %w", cfg.Spec.Name, err)
	}
	log.Info("serving a page, health, metrics and the API", "url", s.URL(), "actions", !cfg.Server.Token.IsZero())
	return func() {
		// The signal that ended the pipeline must not cut off who is asking.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			log.Warn("requests were cut off", "error", err)
		}
	}, nil
}
