package pipeline

import (
	"context"
	"errors"
)

var errNotRunning = errors.New("the pipeline is not running")

// Status is a snapshot; any goroutine may ask for it, before, during and after
// Run.
func (p *Pipeline) Status() Status { return Status{Name: p.spec.Name, Phase: Starting} }

// Windows returns open windows of a query as they are now, those that close
// next first, at most limit of them. key, if it is not empty, is the JSON of the
// key that is wanted. total is how many there are.
func (p *Pipeline) Windows(ctx context.Context, query, key string, limit int) (windows []OpenWindow, total int, err error) {
	return nil, 0, errNotRunning
}

// Why says why windows are open, of one query or, with "", of all.
func (p *Pipeline) Why(ctx context.Context, query string, limit int) (Why, error) {
	return Why{}, errNotRunning
}

// Pause stops reading until Resume. What was read is processed and delivered.
func (p *Pipeline) Pause() error { return errNotRunning }

// Resume ends a Pause.
func (p *Pipeline) Resume() error { return errNotRunning }

// CheckpointNow makes a checkpoint and returns its name.
func (p *Pipeline) CheckpointNow(ctx context.Context) (string, error) { return "", errNotRunning }

// Checkpoints lists the retained checkpoints, oldest first.
func (p *Pipeline) Checkpoints(ctx context.Context) ([]string, error) { return nil, errNotRunning }
