package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// sample is one run of a workload, from the start of the process to its end.
type sample struct {
	wall    time.Duration
	cpu     time.Duration
	rss     int64 // bytes, the peak
	results int
}

// measureAll runs every workload o.runs times, in turns, so that a slow minute
// of the machine falls on all of them alike. It also returns the share of CPU
// time stolen by other machines meanwhile.
func measureAll(ctx context.Context, o options, jobs []workload) ([][]sample, float64, error) {
	samples := make([][]sample, len(jobs))
	before := readTicks()
	for range o.runs {
		for i, j := range jobs {
			s, err := measure(ctx, o, j)
			if err != nil {
				return nil, 0, fmt.Errorf("%s, %s, %d workers: %w", j.name, j.input, j.workers, err)
			}
			samples[i] = append(samples[i], s)
			fmt.Fprintf(os.Stderr, "%s, %s, %d workers: %s\n", j.name, j.input, j.workers, s.wall.Round(time.Millisecond))
		}
	}
	return samples, stolenSince(before), nil
}

// measure runs the processor once. Its peak memory is the kernel's account of
// the whole process; a child inherits its parent's peak until it is started,
// which is why this program stays small.
func measure(ctx context.Context, o options, j workload) (sample, error) {
	results := filepath.Join(o.out, "results.jsonl")
	if err := os.Remove(results); err != nil && !errors.Is(err, os.ErrNotExist) {
		return sample{}, err
	}
	if j.state != "" {
		if err := os.RemoveAll(j.state); err != nil {
			return sample{}, err
		}
	}
	cmd := exec.CommandContext(ctx, o.binary, "--config", filepath.Join("bench", j.config))
	cmd.Env = append(append(os.Environ(), j.env...), "PROCESSOR_SINKS__0__FILE__PATH="+results)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	if j.stdin != "" {
		input, err := os.Open(j.stdin)
		if err != nil {
			return sample{}, err
		}
		defer input.Close()
		cmd.Stdin = input // as a shell's < does; a pipe would measure its writer too
	}
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, messages.Bytes())
	}
	lines, err := countLines(results)
	if err != nil {
		return sample{}, err
	}
	state := cmd.ProcessState
	return sample{wall: wall, cpu: state.UserTime() + state.SystemTime(), rss: peakRSS(state), results: lines}, nil
}

// peakRSS is in bytes; the kernels disagree about the unit.
func peakRSS(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return usage.Maxrss
	}
	return usage.Maxrss * 1024
}

func countLines(name string) (int, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	lines := 0
	for {
		n, err := f.Read(buf)
		lines += bytes.Count(buf[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
