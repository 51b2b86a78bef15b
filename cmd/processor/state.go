package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/top"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/pebble"
)

// stateCommand groups what can be done with durable state while no pipeline
// runs on it.
type stateCommand struct {
	Ls         stateLsCommand         `cmd:"" help:"List the state and its checkpoints."`
	Inspect    stateInspectCommand    `cmd:"" help:"Show what the state, or a checkpoint, holds."`
	Verify     stateVerifyCommand     `cmd:"" help:"Check every value of the state, or of a checkpoint."`
	Checkpoint stateCheckpointCommand `cmd:"" help:"Make a checkpoint and print its name."`
	Restore    stateRestoreCommand    `cmd:"" help:"Put a checkpoint in place of the state, which is moved aside."`
}

// storeFlag says which store: that of a config, or a directory, which may be a
// copy on another machine.
type storeFlag struct {
	Config string `short:"c" xor:"store" placeholder:"FILE" help:"The YAML config of the pipeline; it or --path has to be given."`
	Path   string `short:"p" xor:"store" placeholder:"DIR" help:"A state directory, instead of a config; inspect and verify take a copy of a checkpoint too."`
}

// checkpointArg is a checkpoint to look at instead of the state.
type checkpointArg struct {
	Checkpoint string `arg:"" optional:"" help:"A checkpoint instead of the state itself; ls lists them."`
}

// errNoState: there is no store, or an empty one.
var errNoState = errors.New("no state")

func (f storeFlag) store(c *command) (state.Store, error) {
	switch {
	case strings.Contains(f.Path, "://"):
		return nil, usageError{errors.New("--path takes a directory; for state on a server give --config")}
	case f.Path == "" && f.Config == "":
		return nil, usageError{errors.New("no state is named: give --config FILE, or --path DIR for a state directory")}
	case f.Path != "":
		return &pebble.Store{Path: f.Path}, nil
	}
	cfg, err := c.load(f.Config, io.Discard)
	if err != nil {
		return nil, err
	}
	if cfg.Spec.State.Store == nil {
		return nil, usageError{fmt.Errorf("pipeline %s keeps its state in memory: there is none to look at (state.backend: pebble would keep it)", cfg.Spec.Name)}
	}
	return cfg.Spec.State.Store, nil
}

// look is store for commands that only read: they take a checkpoint that was
// copied out of its store too.
func (f storeFlag) look(c *command) (state.Store, error) {
	s, err := f.store(c)
	if p, ok := s.(*pebble.Store); ok && f.Path != "" && pebble.IsCheckpoint(f.Path) {
		return checkpointCopy{p}, err
	}
	return s, err
}

// checkpointCopy is a checkpoint in a directory of its own.
type checkpointCopy struct{ *pebble.Store }

// View opens the checkpoint, as the state itself.
func (k checkpointCopy) View(ctx context.Context, checkpoint string) (state.Backend, error) {
	if checkpoint != "" {
		return k.Store.View(ctx, checkpoint)
	}
	return pebble.ViewCopy(ctx, k.Path)
}

// nameOf names a store, or a checkpoint of it, in what is printed.
func nameOf(s state.Store, checkpoint string) string {
	if checkpoint == "" {
		return s.String()
	}
	return fmt.Sprintf("checkpoint %s of %s", checkpoint, s)
}

// view opens the store, or a checkpoint, for read.
func view(ctx context.Context, s state.Store, checkpoint string, read func(state.Backend) error) (err error) {
	b, err := s.View(ctx, checkpoint)
	if err != nil {
		return explainView(ctx, s, checkpoint, err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return read(b)
}

func explainView(ctx context.Context, s state.Store, checkpoint string, err error) error {
	switch {
	case errors.Is(err, state.ErrNotFound) && checkpoint == "":
		return fmt.Errorf("%w in %s%s", errNoState, s, misplaced(s))
	case errors.Is(err, state.ErrNotFound):
		names, listErr := s.Checkpoints(ctx)
		if listErr != nil {
			return errors.Join(err, listErr)
		}
		return fmt.Errorf("no checkpoint %s of %s; there are %s", checkpoint, s, listOf(names))
	case errors.Is(err, state.ErrInUse) && checkpoint == "":
		return fmt.Errorf("%w; a checkpoint can be read meanwhile", err)
	}
	return err
}

// misplaced is a hint for who names the database instead of the directory
// that holds it.
func misplaced(s state.Store) string {
	if p, ok := s.(*pebble.Store); ok {
		if pebble.IsCheckpoint(p.Path) {
			return ": it is a checkpoint by itself, which inspect and verify read; to go back to it, copy it into checkpoints/ of the state directory and name that"
		}
		if files, _ := filepath.Glob(filepath.Join(p.Path, "MANIFEST-*")); len(files) > 0 {
			return ": it is a database by itself; name the directory that has it as db/"
		}
	}
	return ""
}

func listOf(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// inspect reads all of the store, or of a checkpoint. A store in which nothing
// was ever committed is none.
func inspect(ctx context.Context, s state.Store, checkpoint string) (report *epoch.Report, err error) {
	err = view(ctx, s, checkpoint, func(b state.Backend) error {
		report, err = epoch.Inspect(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", nameOf(s, checkpoint), err)
		}
		return nil
	})
	if err == nil && report.Empty {
		err = fmt.Errorf("%w in %s: nothing was committed yet", errNoState, nameOf(s, checkpoint))
	}
	return report, err
}

type stateVerifyCommand struct {
	storeFlag
	checkpointArg
}

// Run checks every value.
func (v stateVerifyCommand) Run(c *command) error {
	s, err := v.look(c)
	if err != nil {
		return err
	}
	r, err := inspect(context.Background(), s, v.Checkpoint)
	if err != nil {
		return err
	}
	if err := damage(c.stdout, nameOf(s, v.Checkpoint), r); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s is whole: epoch %d, %s keys, %s\n", nameOf(s, v.Checkpoint), r.Epoch, count(r.Keys), top.Bytes(r.Bytes))
	return err
}

// damage lists what is wrong and returns an error if anything is.
func damage(w io.Writer, name string, r *epoch.Report) error {
	if r.ProblemCount == 0 {
		return nil
	}
	for _, p := range r.Problems {
		fmt.Fprintln(w, p.Err)
	}
	if more := r.ProblemCount - int64(len(r.Problems)); more > 0 {
		fmt.Fprintf(w, "and %s more\n", count(more))
	}
	return fmt.Errorf("%s is damaged: %s of %s values cannot be used", name, count(r.ProblemCount), count(r.Keys))
}

type stateCheckpointCommand struct{ storeFlag }

// Run makes a checkpoint of a store that no pipeline has open.
func (k stateCheckpointCommand) Run(c *command) error {
	s, err := k.store(c)
	if err != nil {
		return err
	}
	ctx := context.Background()
	// Open would make a store where there is none.
	if _, err := lastEpoch(ctx, s, ""); err != nil {
		return err
	}
	if err := makeCheckpoint(ctx, s); err != nil {
		return err
	}
	names, err := s.Checkpoints(ctx)
	if err != nil || len(names) == 0 {
		return err
	}
	_, err = fmt.Fprintln(c.stdout, names[len(names)-1])
	return err
}

func makeCheckpoint(ctx context.Context, s state.Store) (err error) {
	b, err := s.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	k, ok := b.(state.Checkpointer)
	if !ok {
		return fmt.Errorf("the state in %s cannot make checkpoints", s)
	}
	return pipeline.Checkpoint(ctx, s, k, time.Now(), 0)
}

// lastEpoch reads what a start would read first.
func lastEpoch(ctx context.Context, s state.Store, checkpoint string) (last *epoch.Snapshot, err error) {
	err = view(ctx, s, checkpoint, func(b state.Backend) error {
		last, err = epoch.Load(ctx, b)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", nameOf(s, checkpoint), err)
		case last.Header == nil:
			return fmt.Errorf("%w in %s: nothing was committed yet", errNoState, nameOf(s, checkpoint))
		}
		return nil
	})
	return last, err
}
