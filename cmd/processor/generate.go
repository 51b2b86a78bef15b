package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/llm-optimizer/processor/internal/gen"
)

type generateCommand struct {
	Events  int           `default:"1000000" help:"How many events."`
	Seed    uint64        `default:"1" help:"The same seed gives the same events."`
	Rate    float64       `default:"1000" help:"Events a second of event time."`
	Models  int           `default:"20" help:"How many models."`
	Tenants int           `default:"3" help:"How many tenants."`
	Users   int           `default:"100000" help:"How many users."`
	Jitter  time.Duration `default:"5s" help:"How far events are out of order."`
	Late    float64       `default:"0.001" help:"The share of events that are late beyond that."`
	LateBy  time.Duration `default:"2m" help:"How late those are at most."`
	Start   time.Time     `default:"2026-01-01T00:00:00Z" help:"The time of the first event."`
	Out     string        `short:"o" placeholder:"PATH" help:"A file, or with --files a directory; standard output if not given."`
	Files   int           `default:"1" help:"Deal the events out to so many files, events-0.jsonl and so on."`
}

// Run writes the events of the benchmarks.
func (g generateCommand) Run(c *command) error {
	b := gen.Bench{
		Events: g.Events, Seed: g.Seed, Rate: g.Rate, Models: g.Models, Tenants: g.Tenants, Users: g.Users,
		Jitter: g.Jitter, Late: g.Late, LateBy: g.LateBy, Start: g.Start,
	}
	if err := b.Validate(); err != nil {
		return usageError{err}
	}
	paths, err := g.paths()
	if err != nil {
		return err
	}
	if paths == nil {
		_, err = b.WriteTo(c.stdout)
	} else {
		err = writeFiles(paths, b.Split)
	}
	if err != nil {
		return fmt.Errorf("cannot write the events: %w", err)
	}
	return nil
}

// paths are the files to write; none means standard output.
func (g generateCommand) paths() ([]string, error) {
	switch {
	case g.Files < 1 || g.Files > 10_000:
		return nil, usageError{fmt.Errorf("--files is %d; it has to be from 1 to 10000", g.Files)}
	case g.Files > 1 && g.Out == "":
		return nil, usageError{errors.New("--files needs --out with a directory")}
	case g.Out == "":
		return nil, nil
	case g.Files == 1 && !isDirectory(g.Out):
		return []string{g.Out}, nil
	}
	var paths []string
	for i := range g.Files {
		paths = append(paths, filepath.Join(g.Out, fmt.Sprintf("events-%d.jsonl", i)))
	}
	return paths, nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() || path != "" && os.IsPathSeparator(path[len(path)-1])
}

// writeFiles makes the files and has write fill them.
func writeFiles(paths []string, write func(...io.Writer) (int64, error)) (err error) {
	if err := os.MkdirAll(filepath.Dir(paths[0]), 0o755); err != nil {
		return err
	}
	var buffers []*bufio.Writer
	var writers []io.Writer
	for _, path := range paths {
		f, ferr := os.Create(path)
		if ferr != nil {
			return ferr
		}
		defer func() { err = errors.Join(err, f.Close()) }() //nolint:gocritic // a handful of files, all open until all are written
		b := bufio.NewWriterSize(f, 1<<18)
		buffers, writers = append(buffers, b), append(writers, b)
	}
	_, err = write(writers...)
	for _, b := range buffers {
		err = errors.Join(err, b.Flush())
	}
	return err
}
