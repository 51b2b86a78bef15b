// Package server shows a running pipeline over HTTP: whether it is well, what
// it does, its last results, why a window is open; and lets who has the token
// pause it, copy its state and change what it logs.
//
// It only asks: nothing of the pipeline waits for a reader. Rows reach it by
// the hooks of [Recent] and [Samples], which keep a bounded number of them.
package server

import (
	"context"

	"github.com/llm-optimizer/processor/pipeline"
)

// Pipeline is what is shown: a *pipeline.Pipeline.
type Pipeline interface {
	Status() pipeline.Status
	Windows(ctx context.Context, query, key string, limit int) (windows []pipeline.OpenWindow, total int, err error)
	Why(ctx context.Context, query string, limit int) (pipeline.Why, error)
	Explain() string
	Pause() error
	Resume() error
	CheckpointNow(ctx context.Context) (name string, err error)
	Checkpoints(ctx context.Context) ([]string, error)
}
