package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// dataset is the folder of so many events in so many files.
func dataset(o options, events, parts int) string {
	return filepath.Join(o.data, strconv.Itoa(events), strconv.Itoa(parts))
}

// partName is how the generator names the files of a folder.
func partName(i int) string { return fmt.Sprintf("events-%d.jsonl", i) }

// generate writes the events of W1 to W3 with the processor's own generator,
// once. The files overlap in time: events are dealt out to them in turn.
func generate(ctx context.Context, binary, dir string, events, parts int) error {
	return once(dir, func(dir string) error {
		out := dir
		if parts == 1 {
			out = filepath.Join(dir, partName(0))
		}
		cmd := exec.CommandContext(ctx, binary, "generate",
			"--events", strconv.Itoa(events), "--files", strconv.Itoa(parts), "--out", out)
		cmd.Stderr = os.Stderr
		return cmd.Run()
	})
}

// once fills a folder that does not exist yet. It is filled under another name
// first, so that a run that was broken off leaves none that looks complete.
func once(dir string, fill func(dir string) error) error {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "generating", dir)
	if err := fill(partial); err != nil {
		return err
	}
	return os.Rename(partial, dir)
}

// The size of the memory workload.
const (
	openWindows     = 100_000
	eventsPerWindow = 10
)

// generateWindows writes some events of each user within one hour to four
// files, in rounds over all users.
func generateWindows(dir string, users, events int) error {
	return once(dir, func(dir string) error {
		const parts = 4
		for part := range parts {
			if err := writeWindows(filepath.Join(dir, partName(part)), users, events, part, parts); err != nil {
				return err
			}
		}
		return nil
	})
}

func writeWindows(name string, users, events, part, parts int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 256<<10)
	const start = 1_767_225_600_000 // 2026-01-01T00:00:00Z in milliseconds
	for i := part; i < users*events; i += parts {
		user, round := i%users, i/users
		errText := "null"
		if (user+round)%50 == 0 {
			errText = `"timeout"`
		}
		fmt.Fprintf(w, `{"timestamp":%d,"user":"u-%d","model":"model-%d","latency_ms":%d.%d,"cost":0.00%d,"score":0.%d,"error":%s}`+"\n",
			start+i/500, user, (user+round)%7, 100+(user*31+round*977)%4000, round, 1+(user+round)%97, round, errText)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return f.Close()
}
