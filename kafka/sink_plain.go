package kafka

import (
	"context"
	"time"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// Plain returns a sink that writes what s would, where s would, without
// transactions and without marks: rows can be seen as soon as Write has
// returned, and come again after a crash. It is for delivery at least once,
// where rows leave before their epoch is durable. s itself is not to be used
// then.
func (s *Sink) Plain() sink.Sink { return &plainSink{s} }

type plainSink struct{ s *Sink }

var (
	_ sink.Starter   = (*plainSink)(nil)
	_ sink.Describer = (*plainSink)(nil)
	_ sink.Reporter  = (*plainSink)(nil)
)

func (p *plainSink) Describe(queries []*result.Query) error           { return p.s.Describe(queries) }
func (p *plainSink) Open(ctx context.Context) error                   { return p.s.Open(ctx) }
func (p *plainSink) Start(ctx context.Context) error                  { return p.s.Start(ctx) }
func (p *plainSink) Write(ctx context.Context, b *result.Batch) error { return p.s.Write(ctx, b) }
func (p *plainSink) Close(ctx context.Context) error                  { return p.s.Close(ctx) }
func (p *plainSink) Trouble() (since time.Time, err error)            { return p.s.Trouble() }
func (p *plainSink) Retries() int64                                   { return p.s.Retries() }
