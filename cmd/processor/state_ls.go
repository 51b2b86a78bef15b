package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/llm-optimizer/processor/internal/top"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/pebble"
)

type stateLsCommand struct{ storeFlag }

// Run lists the checkpoints, oldest first, and the state. What cannot be read
// is listed with the reason.
func (l stateLsCommand) Run(c *command) error {
	s, err := l.store(c)
	if err != nil {
		return err
	}
	ctx, now := context.Background(), time.Now()
	names, err := s.Checkpoints(ctx)
	if err != nil {
		return err
	}
	t := table{{"checkpoint", "epoch", "time", "age", "size", ""}}
	for _, name := range names {
		row, _ := lsRow(ctx, s, name, now)
		t = append(t, row)
	}
	row, err := lsRow(ctx, s, "", now)
	if len(names) == 0 && errors.Is(err, errNoState) {
		return err
	}
	fmt.Fprintln(c.stdout, s)
	return append(t, row).write(c.stdout)
}

// lsRow describes the state or a checkpoint; the error is in the row too.
func lsRow(ctx context.Context, s state.Store, checkpoint string, now time.Time) (row []string, err error) {
	row = []string{checkpoint, "-", "-", "-", "-", ""}
	if checkpoint == "" {
		row[0] = "(the state itself)"
	}
	if n, ok := sizeOf(s, checkpoint); ok {
		row[4] = top.Bytes(n)
	}
	last, err := lastEpoch(ctx, s, checkpoint)
	switch {
	case err == nil:
		r := &last.Record
		row[1], row[2], row[3] = strconv.FormatUint(r.Number, 10), dateTime(r.Time), age(now.Sub(r.Time))
	case errors.Is(err, state.ErrInUse):
		row[5] = "in use by a running pipeline"
	case errors.Is(err, errNoState):
		row[5] = "none"
	case errors.Is(err, state.ErrCorrupt):
		row[5] = "damaged: processor state verify says where"
	default:
		row[5] = err.Error()
	}
	return row, err
}

// sizeOf adds up the files of a store on disk. Checkpoints share files with
// the store and with each other, so the sum of all is more than they take.
func sizeOf(s state.Store, checkpoint string) (total int64, ok bool) {
	p, ok := s.(*pebble.Store)
	if !ok {
		return 0, false
	}
	dir := filepath.Join(p.Path, "db")
	if checkpoint != "" {
		dir = filepath.Join(p.Path, "checkpoints", checkpoint)
	}
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err == nil
}
