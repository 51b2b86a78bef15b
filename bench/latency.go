package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// latencyReport is how long results took, from the write of the event that
// closes their window to the moment their line was read.
type latencyReport struct {
	rate    int
	waits   []time.Duration // sorted
	windows int
	cpu     time.Duration
	wall    time.Duration
	rss     int64
	stolen  float64
}

// closings remembers when the event that closes each second was written.
type closings struct {
	mu sync.Mutex
	at map[int64]time.Time // by the window's end, in nanoseconds
}

// measureLatency paces events into the processor's standard input, with event
// times of the moment they are written, and reads its standard output.
func measureLatency(ctx context.Context, o options) (latencyReport, error) {
	before := readTicks()
	cmd := exec.CommandContext(ctx, o.binary, "--config", filepath.Join("bench", "latency.yaml"))
	cmd.Env = os.Environ()
	var messages bytes.Buffer
	cmd.Stderr = &messages
	in, err := cmd.StdinPipe()
	if err != nil {
		return latencyReport{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return latencyReport{}, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return latencyReport{}, err
	}
	closed := &closings{at: map[int64]time.Time{}}
	paced := make(chan error, 1)
	go func() {
		err := pace(ctx, in, o.rate, o.paceFor, closed)
		in.Close()
		paced <- err
	}()
	waits, readErr := readResults(out, closed)
	paceErr := <-paced
	if err := cmd.Wait(); err != nil {
		return latencyReport{}, fmt.Errorf("%w\n%s", err, messages.Bytes())
	}
	if readErr != nil {
		return latencyReport{}, readErr
	}
	if paceErr != nil {
		return latencyReport{}, paceErr
	}
	slices.Sort(waits)
	state := cmd.ProcessState
	return latencyReport{
		rate: o.rate, waits: waits, windows: len(closed.at), wall: time.Since(start),
		cpu: state.UserTime() + state.SystemTime(), rss: peakRSS(state), stolen: stolenSince(before),
	}, nil
}

// pace writes events in order, a few every millisecond, as many as the rate
// asks for by then: after a pause it catches up.
func pace(ctx context.Context, w io.Writer, rate int, length time.Duration, closed *closings) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	step := float64(time.Second) / float64(rate)
	second := start.UnixNano() / int64(time.Second)
	var chunk []byte
	for i := 0; ; {
		var now time.Time
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now = <-tick.C:
		}
		elapsed := now.Sub(start)
		if elapsed > length {
			return nil
		}
		chunk = chunk[:0]
		var ends []int64
		for ; float64(i)*step < float64(elapsed); i++ {
			ts := start.UnixNano() + int64(float64(i)*step)
			if s := ts / int64(time.Second); s > second {
				second = s
				ends = append(ends, s*int64(time.Second))
			}
			chunk = appendEvent(chunk, ts, i)
		}
		closed.note(ends)
		if _, err := w.Write(chunk); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
	}
}

// note records, just before the write, that the events about to be written
// close the windows with these ends.
func (c *closings) note(ends []int64) {
	if len(ends) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range ends {
		c.at[end] = time.Now()
	}
}

func (c *closings) of(end int64) (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.at[end]
	return at, ok
}

// appendEvent writes event i: 20 models and 3 tenants in turn.
func appendEvent(b []byte, ts int64, i int) []byte {
	b = append(b, `{"type":"performance_metrics","timestamp":`...)
	b = strconv.AppendInt(b, ts, 10)
	b = append(b, `,"model":"model-`...)
	b = strconv.AppendInt(b, int64(i%20), 10)
	b = append(b, `","tenant":"tenant-`...)
	b = strconv.AppendInt(b, int64(i%3), 10)
	b = append(b, `","latency_ms":`...)
	b = strconv.AppendInt(b, int64(100+i*7919%4000), 10)
	b = append(b, `.5,"cost":0.00`...)
	b = strconv.AppendInt(b, int64(1+i%89), 10)
	return append(b, "}\n"...)
}

// readResults reads results to the end and returns how long each took. Those
// of windows that the end of the input closed do not count.
func readResults(r io.Reader, closed *closings) ([]time.Duration, error) {
	var waits []time.Duration
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		now := time.Now()
		var row struct {
			End time.Time `json:"window_end"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return nil, fmt.Errorf("read result %q: %w", lines.Text(), err)
		}
		if at, ok := closed.of(row.End.UnixNano()); ok {
			waits = append(waits, now.Sub(at))
		}
	}
	return waits, lines.Err()
}

func (r latencyReport) print(w io.Writer) {
	fmt.Fprintf(w, "Result latency at %s events/s, windows of 1 s, %d windows, %s results, %.1f %% of the CPU time stolen meanwhile.\n\n",
		thousands(r.rate), r.windows, thousands(len(r.waits)), 100*r.stolen)
	fmt.Fprintln(w, "| p50 | p99 | max | CPU s a second | peak RSS |")
	fmt.Fprintln(w, "|--:|--:|--:|--:|--:|")
	fmt.Fprintf(w, "| %s | %s | %s | %.2f | %d MB |\n",
		ms(quantile(r.waits, 0.50)), ms(quantile(r.waits, 0.99)), ms(quantile(r.waits, 1)),
		r.cpu.Seconds()/r.wall.Seconds(), r.rss>>20)
}

func ms(d time.Duration) string { return strconv.FormatFloat(d.Seconds()*1e3, 'f', 1, 64) + " ms" }
