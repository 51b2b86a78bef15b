package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/pebble"
)

// What durable state costs. The processor tells of each epoch in its log, at
// level debug; throughput is measured from outside, as everything else.

// logLine is a line of the log that this program reads.
type logLine struct {
	Msg     string `json:"msg"`
	Changes int    `json:"changes"`
	Bytes   int64  `json:"bytes"`
	Took    took   `json:"took"`
	Stall   took   `json:"stall"`
	Windows int    `json:"open_windows"`
}

// took is a duration as the log writes it: "1.5ms".
type took struct{ time.Duration }

func (t *took) UnmarshalText(text []byte) (err error) {
	t.Duration, err = time.ParseDuration(string(text))
	return err
}

const (
	committed = "committed an epoch"
	recovered = "recovered state"
)

// measureState prints the figures of durable state.
func measureState(ctx context.Context, o options) error {
	fmt.Println("Durable state: pebble, exactly once.")
	fmt.Println()
	if err := epochFigures(ctx, o); err != nil {
		return fmt.Errorf("epochs: %w", err)
	}
	if err := throughputFigures(ctx, o); err != nil {
		return err
	}
	// At last: what this process takes counts as the peak of its children.
	if err := checkpointFigure(ctx, o); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// epochFigures measures epochs of many windows, and starting with them.
func epochFigures(ctx context.Context, o options) error {
	fmt.Println("| windows, every aggregate | epoch of all of them | bytes | longest stall of the stream | recovery |")
	fmt.Println("|--:|--:|--:|--:|--:|")
	for _, n := range []struct{ windows, events int }{{openWindows, eventsPerWindow}, {10 * openWindows, 1}} {
		dir := filepath.Join(o.data, fmt.Sprintf("windows-%d-%d", n.windows, n.events))
		if err := generateWindows(dir, n.windows, n.events); err != nil {
			return err
		}
		// Epochs while the stream runs, and one that has all windows.
		busy, err := runDurable(ctx, o, dir, "200ms", n.windows, true)
		if err != nil {
			return err
		}
		all, err := runDurable(ctx, o, dir, "1h", n.windows, true)
		if err != nil {
			return err
		}
		again, err := runDurable(ctx, o, dir, "1h", n.windows, false)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %s | %d MB | %s | %s |\n", thousands(n.windows),
			all.Took.Round(time.Millisecond), all.Bytes>>20, max(busy.Stall.Duration, all.Stall.Duration).Round(10*time.Microsecond), again.Took.Round(time.Millisecond))
	}
	fmt.Println()
	return nil
}

// runDurable follows the files of a folder until all windows are open, stops,
// and returns what the log said: the largest epoch with the longest stall of
// any, or the recovery if the run does not begin anew.
func runDurable(ctx context.Context, o options, dir, interval string, windows int, fresh bool) (logLine, error) {
	stateDir := filepath.Join(o.out, "state-windows")
	if fresh {
		if err := errors.Join(os.RemoveAll(stateDir), os.RemoveAll(filepath.Join(o.out, "results.jsonl"))); err != nil {
			return logLine{}, err
		}
	}
	cmd := exec.CommandContext(ctx, o.binary, "--config", "bench/windows.yaml")
	cmd.Env = append(append(os.Environ(), durableEnv(stateDir, interval)...),
		"PROCESSOR_SOURCE__FILE__PATH="+filepath.Join(dir, "*.jsonl"), "PROCESSOR_SOURCE__FILE__FOLLOW=true",
		"PROCESSOR_SINKS__0__FILE__PATH="+filepath.Join(o.out, "results.jsonl"),
		"PROCESSOR_LOG__LEVEL=debug", "PROCESSOR_LOG__FORMAT=json")
	logs, err := cmd.StderrPipe()
	if err != nil {
		return logLine{}, err
	}
	if err := cmd.Start(); err != nil {
		return logLine{}, err
	}
	// Reading takes seconds; a stop delivers what was read whenever it comes.
	stop := time.AfterFunc(time.Duration(windows/50_000+4)*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop.Stop()
	line, readErr := readLog(logs, fresh)
	if err := cmd.Wait(); err != nil {
		return logLine{}, err
	}
	if readErr == nil && max(line.Changes, line.Windows) < windows && interval == "1h" {
		readErr = fmt.Errorf("only %d of %d windows were there", max(line.Changes, line.Windows), windows)
	}
	return line, readErr
}

func durableEnv(dir, interval string) []string {
	return []string{
		"PROCESSOR_STATE__BACKEND=pebble", "PROCESSOR_STATE__PATH=" + dir, "PROCESSOR_STATE__EPOCH=" + interval,
	}
}

func readLog(r io.Reader, epochs bool) (out logLine, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var l struct{ Msg string }
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Msg != committed && l.Msg != recovered {
			continue
		}
		var line logLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return out, fmt.Errorf("reading %s: %w", lines.Bytes(), err)
		}
		switch {
		case epochs && line.Msg == committed:
			stall := took{max(out.Stall.Duration, line.Stall.Duration)}
			if line.Changes > out.Changes {
				out = line
			}
			out.Stall = stall
		case !epochs && line.Msg == recovered:
			out = line
		}
	}
	return out, lines.Err()
}

// checkpointFigure measures a checkpoint of a large store.
func checkpointFigure(ctx context.Context, o options) (err error) {
	const size, value = 1 << 30, 4 << 10
	dir := filepath.Join(o.out, "state-checkpoint")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	store := &pebble.Store{Path: dir}
	db, err := store.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(), os.RemoveAll(dir)) }()
	noise := newNoise()
	for at := 0; at < size/value; {
		var b state.Batch
		for range 4096 {
			b.Set([]byte("key-"+strconv.Itoa(at)), noise.next(value))
			at++
		}
		if err := db.Apply(ctx, &b); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := db.(state.Checkpointer).Checkpoint(ctx, "bench"); err != nil {
		return err
	}
	fmt.Printf("A checkpoint of 1 GB took %s.\n", time.Since(began).Round(time.Millisecond))
	return nil
}

// noise is bytes that do not compress.
type noise struct {
	x   uint64
	buf []byte
}

func newNoise() *noise { return &noise{x: 88172645463325252} }

// next returns n bytes, valid until the next call (xorshift64, Marsaglia 2003).
func (n *noise) next(size int) []byte {
	n.buf = n.buf[:0]
	for len(n.buf) < size {
		n.x ^= n.x << 13
		n.x ^= n.x >> 7
		n.x ^= n.x << 17
		for shift := 0; shift < 64; shift += 8 {
			n.buf = append(n.buf, byte(n.x>>shift))
		}
	}
	return n.buf[:size]
}

// throughputFigures measures workloads with state in memory and on disk, in
// turns.
func throughputFigures(ctx context.Context, o options) error {
	var jobs []workload
	for _, w := range workloads(o) {
		if w.workers != 2 || w.input != "4 files" || (w.name != "w1" && w.name != "w2") {
			continue
		}
		if err := w.prepare(ctx); err != nil {
			return err
		}
		durable := w
		durable.name, durable.state = w.name+", pebble", filepath.Join(o.out, "state-"+w.name)
		durable.env = append(append([]string{}, w.env...), durableEnv(durable.state, "1s")...)
		w.name += ", memory"
		jobs = append(jobs, w, durable)
	}
	samples, stolen, err := measureAll(ctx, o, jobs)
	if err != nil {
		return err
	}
	printThroughput(os.Stdout, jobs, samples, o.runs, stolen)
	for i := 0; i+1 < len(jobs); i += 2 {
		memory, disk := medianRun(samples[i]), medianRun(samples[i+1])
		fmt.Printf("%s: %.0f %% of its speed in memory.\n", jobs[i+1].name, 100*memory.wall.Seconds()/disk.wall.Seconds())
	}
	return nil
}
