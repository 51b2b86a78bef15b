package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/config"
)

func TestMedianAndQuantile(t *testing.T) {
	runs := []sample{
		{wall: 3, cpu: 10, rss: 7, results: 1},
		{wall: 1, cpu: 30, rss: 9, results: 1},
		{wall: 2, cpu: 20, rss: 8, results: 1},
	}
	if got, want := medianRun(runs), (sample{wall: 2, cpu: 20, rss: 8, results: 1}); got != want {
		t.Errorf("medianRun = %+v, want %+v", got, want)
	}
	sorted := make([]time.Duration, 100)
	for i := range sorted {
		sorted[i] = time.Duration(i)
	}
	for q, want := range map[float64]time.Duration{0: 0, 0.5: 50, 0.99: 99, 1: 99} {
		if got := quantile(sorted, q); got != want {
			t.Errorf("quantile(%v) = %d, want %d", q, got, want)
		}
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("quantile of nothing = %d, want 0", got)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -100000: "-100,000"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestParseTicks(t *testing.T) {
	if got, want := parseTicks("cpu  10 1 20 300 5 0 4 60 9 9"), (ticks{stolen: 60, all: 400}); got != want {
		t.Errorf("parseTicks = %+v, want %+v", got, want)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu a b c d e f g h"} {
		if got := parseTicks(bad); got != (ticks{}) {
			t.Errorf("parseTicks(%q) = %+v, want zero", bad, got)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-runs", "0"}, {"-only", "("}, {"-nonsense"}} {
		if _, err := parseFlags(args); err == nil {
			t.Errorf("parseFlags(%q) takes it", args)
		}
	}
}

// TestConfigsLoad holds the workloads against the settings as they are, with
// the overrides under which they run.
func TestConfigsLoad(t *testing.T) {
	jobs := workloads(options{data: "d", events: 10, wide: 20})
	jobs = append(jobs, workload{name: "latency", config: "latency.yaml"},
		workload{name: "kafka", config: "kafka.yaml"}, workload{name: "kafka latency", config: "kafka-latency.yaml"})
	for _, j := range jobs {
		if _, err := config.Load(j.config, j.env); err != nil {
			t.Errorf("%s, %s: %v", j.name, j.input, err)
		}
	}
}

func TestWorkloadsAreSelectedByName(t *testing.T) {
	all := workloads(options{data: "d", events: 10, wide: 20})
	for only, want := range map[string]int{"": 9, "^w1$": 4, "w[23]": 4, "nothing": 0} {
		if got := len(selected(all, regexp.MustCompile(only))); got != want {
			t.Errorf("-only %q selects %d workloads, want %d", only, got, want)
		}
	}
}

func TestOnceLeavesNothingHalfDone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	broken := errors.New("disk full")
	calls := 0
	fill := func(err error) func(string) error {
		return func(dir string) error {
			calls++
			return errors.Join(os.WriteFile(filepath.Join(dir, "f"), nil, 0o600), err)
		}
	}
	if err := once(dir, fill(broken)); !errors.Is(err, broken) {
		t.Fatalf("once = %v, want %v", err, broken)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("a broken fill left the folder")
	}
	for range 2 {
		if err := once(dir, fill(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if calls != 2 {
		t.Errorf("filled %d times, want 2: the second success was there already", calls)
	}
}

func TestWindowsDataHasTenEventsOfEachUser(t *testing.T) {
	const users = 1000
	dir := filepath.Join(t.TempDir(), "windows")
	if err := generateWindows(dir, users, eventsPerWindow); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(names) != 4 {
		t.Fatalf("files %v, %v", names, err)
	}
	perUser := map[string]int{}
	for i, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		for n := 0; lines.Scan(); n++ {
			_, rest, _ := bytes.Cut(lines.Bytes(), []byte(`"user":"`))
			user, _, _ := bytes.Cut(rest, []byte(`"`))
			perUser[string(user)]++
			if n == i && !json.Valid(lines.Bytes()) {
				t.Errorf("not JSON: %s", lines.Bytes())
			}
		}
	}
	if len(perUser) != users {
		t.Errorf("%d users, want %d", len(perUser), users)
	}
	for user, n := range perUser {
		if n != eventsPerWindow {
			t.Fatalf("user %s has %d events, want %d", user, n, eventsPerWindow)
		}
	}
}

// TestLatencyIsCountedFromTheClosingEvent stands in for the processor: it
// answers each event that begins a new second with that second's window.
func TestLatencyIsCountedFromTheClosingEvent(t *testing.T) {
	fromPace, toEcho := io.Pipe()
	fromEcho, toReader := io.Pipe()
	closed := &closings{at: map[int64]time.Time{}}
	go func() {
		err := pace(context.Background(), toEcho, 2000, 2500*time.Millisecond, closed)
		toEcho.CloseWithError(err)
	}()
	events := make(chan int, 1)
	go func() {
		n, err := echoWindows(fromPace, toReader)
		events <- n
		toReader.CloseWithError(err)
	}()
	waits, err := readResults(fromEcho, closed)
	if err != nil {
		t.Fatal(err)
	}
	if n := <-events; n == 0 || n > 5000 {
		t.Errorf("%d events in 2.5 s at 2,000 a second", n)
	}
	// At least one end of a second was passed; the row of the window that
	// nothing closed must not count.
	if len(waits) < 1 || len(waits) > 3 || len(waits) != len(closed.at) {
		t.Errorf("%d latencies, %d closed windows", len(waits), len(closed.at))
	}
	for _, w := range waits {
		if w < 0 {
			t.Errorf("a result came %v before its window closed", -w)
		}
	}
}

// echoWindows reads events and writes a result for each second that an event
// ends, and one for the second after the last event.
func echoWindows(r io.Reader, w io.Writer) (int, error) {
	n, second := 0, int64(0)
	row := func(end int64) error {
		_, err := fmt.Fprintf(w, "{\"window_end\":%q}\n", time.Unix(end, 0).UTC().Format(time.RFC3339))
		return err
	}
	lines := bufio.NewScanner(r)
	for ; lines.Scan(); n++ {
		var e struct{ Timestamp int64 }
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return n, err
		}
		if s := e.Timestamp / 1e9; second == 0 {
			second = s
		} else if s > second {
			second = s
			if err := row(s); err != nil {
				return n, err
			}
		}
	}
	return n, errors.Join(lines.Err(), row(second+1))
}

func TestTables(t *testing.T) {
	var out strings.Builder
	jobs := []workload{{name: "w1", input: "4 files", workers: 2, events: 3_000_000}}
	printThroughput(&out, jobs, [][]sample{{{wall: 2 * time.Second, cpu: 3 * time.Second, rss: 50 << 20, results: 3000}}}, 1, 0.01)
	want := "| w1 | 4 files | 2 | 3,000,000 | 1,500,000 | 1.00 | 50 MB | 3,000 |"
	if !strings.Contains(out.String(), want) {
		t.Errorf("the table lacks %q:\n%s", want, out.String())
	}
	out.Reset()
	latencyReport{rate: 50_000, waits: []time.Duration{time.Millisecond, 3 * time.Millisecond}, wall: time.Second, cpu: time.Second / 4}.print(&out)
	if want := "| 3.0 ms | 3.0 ms | 3.0 ms | 0.25 | 0 MB |"; !strings.Contains(out.String(), want) {
		t.Errorf("the report lacks %q:\n%s", want, out.String())
	}
}

func TestTheLogOfEpochsIsRead(t *testing.T) {
	const log = `{"level":"INFO","msg":"recovered state","epoch":7,"age":"3s","open_windows":100000,"took":"240.5ms"}
{"level":"DEBUG","msg":"committed an epoch","epoch":8,"changes":2,"bytes":90,"row_bytes":0,"took":"1.5ms","stall":"6.4ms"}
no JSON
{"level":"DEBUG","msg":"committed an epoch","epoch":9,"changes":100000,"bytes":37721678,"row_bytes":0,"took":"184.778ms","stall":"1.284ms"}
{"level":"INFO","msg":"finished","took":5}
`
	epochs, err := readLog(strings.NewReader(log), true)
	if err != nil || epochs.Changes != 100_000 || epochs.Took.Duration != 184_778*time.Microsecond || epochs.Stall.Duration != 6400*time.Microsecond {
		t.Errorf("of epochs it says %+v, %v", epochs, err)
	}
	recovery, err := readLog(strings.NewReader(log), false)
	if err != nil || recovery.Windows != 100_000 || recovery.Took.Duration != 240_500*time.Microsecond {
		t.Errorf("of the recovery it says %+v, %v", recovery, err)
	}
	if _, err := readLog(strings.NewReader(`{"msg":"committed an epoch","took":5}`), true); err == nil {
		t.Error("a line that cannot be read is passed over")
	}
}
