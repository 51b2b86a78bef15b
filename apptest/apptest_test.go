// Package apptest starts the built binary as a user would: files in, streams
// out, signals and exit codes.
package apptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "processor-apptest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := readSources(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(dir, "processor")
	build := exec.Command("go", "build", "-o", binary, "../cmd/processor")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build the binary: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// readSources reads what the binary is made of. A result of go test is kept as
// long as what the tests have read is the same, and what a compiler reads that
// they have started does not count.
func readSources() error {
	return filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		_, err = os.ReadFile(path)
		return err
	})
}

// process is the binary at work.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
}

func newProcess(env []string, args ...string) *process {
	p := &process{Cmd: exec.Command(binary, args...)}
	p.Env = append(os.Environ(), env...)
	p.Stdout, p.Stderr = &p.out, &p.err
	return p
}

// code waits for the exit code; -1 is an end by a signal.
func (p *process) code(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

func run(t *testing.T, env []string, args ...string) (p *process, code int) {
	t.Helper()
	p = newProcess(env, args...)
	return p, p.code(t, p.Run())
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const fileConfig = `name: test
source: {file: {path: "${IN}"}}
event: {time: {field: ts, format: unix_ms}}
watermark: {max_out_of_orderness: 0s}
queries:
  - name: q
    key: [k]
    window: {tumbling: 1s}
    aggregate: {n: count(), sum: sum(v)}
sinks:
  - stdout: {format: json}
  - file: {path: "${OUT}/results.jsonl"}
late_events: {file: {path: "${OUT}/late.jsonl"}}
dead_letters: {file: {path: "${OUT}/dead.jsonl"}}
`

const input = `{"ts":100,"k":"a","v":1}
{"ts":200,"k":"a","v":2}
{"ts":1500,"k":"b","v":3}
not an event
{"ts":300,"k":"a","v":100}
{"ts":2500,"k":"a","v":4}
`

func TestExitCodes(t *testing.T) {
	good := write(t, "good.yaml", fileConfig)
	bad := write(t, "bad.yaml", "name: x\nsource: {}\n")
	in := write(t, "in.jsonl", input)
	env := []string{"IN=" + in, "OUT=" + t.TempDir()}
	for name, test := range map[string]struct {
		env  []string
		args []string
		code int
	}{
		"a good config":              {env, []string{"validate", "--config", good}, 0},
		"a bad config":               {env, []string{"validate", "--config", bad}, 2},
		"running a bad config":       {env, []string{"--config", bad}, 2},
		"an unset variable":          {nil, []string{"--config", good}, 2},
		"a bad flag":                 {env, []string{"--nonsense"}, 2},
		"no config":                  {env, nil, 2},
		"a config that is not there": {env, []string{"--config", bad + "x"}, 2},
		"an input that is not there": {append(env, "IN="+in+"x"), []string{"--config", good}, 1},
		"an input that is a folder":  {append(env, "IN="+filepath.Dir(in)), []string{"--config", good}, 1},
		"explain":                    {env, []string{"explain", "--config", good}, 0},
		"version":                    {nil, []string{"version"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, code := run(t, test.env, test.args...)
			if code != test.code {
				t.Errorf("the exit code is %d, want %d\nstdout: %s\nstderr: %s", code, test.code, &p.out, &p.err)
			}
			if code != 0 && (p.out.Len() > 0 || p.err.Len() == 0) {
				t.Errorf("a failure belongs on stderr\nstdout: %s\nstderr: %s", &p.out, &p.err)
			}
		})
	}
}

func TestABoundedRun(t *testing.T) {
	cfg, in, out := write(t, "c.yaml", fileConfig), write(t, "in.jsonl", input), t.TempDir()
	p, code := run(t, []string{"IN=" + in, "OUT=" + out}, "--config", cfg)
	if code != 0 {
		t.Fatalf("the exit code is %d\n%s", code, &p.err)
	}
	sums := map[string]float64{}
	for line := range strings.Lines(p.out.String()) {
		var r struct {
			Start  string             `json:"window_start"`
			Key    map[string]string  `json:"key"`
			Values map[string]float64 `json:"values"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("stdout holds %q, which is no result: %v", line, err)
		}
		sums[r.Start+" "+r.Key["k"]] = r.Values["sum"]
	}
	want := map[string]float64{"1970-01-01T00:00:00Z a": 3, "1970-01-01T00:00:01Z b": 3, "1970-01-01T00:00:02Z a": 4}
	if fmt.Sprint(sums) != fmt.Sprint(want) {
		t.Errorf("the sums are %v, want %v", sums, want)
	}
	if file := read(t, out, "results.jsonl"); file != p.out.String() {
		t.Errorf("the file sink has\n%s\nand stdout\n%s", file, &p.out)
	}
	if late := read(t, out, "late.jsonl"); strings.Count(late, "\n") != 1 || !strings.Contains(late, `"v":100`) {
		t.Errorf("the late events are %s", late)
	}
	if dead := read(t, out, "dead.jsonl"); strings.Count(dead, "\n") != 1 || !strings.Contains(dead, "not an event") {
		t.Errorf("the dead letters are %s", dead)
	}
	if s := p.err.String(); !strings.Contains(s, "3 results, 1 late, 1 dead") || strings.Contains(s, "\x1b") {
		t.Errorf("stderr is no terminal and should hold the summary alone: %q", s)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStdinFromGenerate(t *testing.T) {
	cfg := write(t, "c.yaml", `name: piped
source: {stdin: {}}
event: {time: {field: timestamp, format: rfc3339}}
queries:
  - name: all
    window: {global: {}}
    aggregate: {n: count(), models: distinct(model)}
sinks:
  - stdout: {format: json}
`)
	events, code := run(t, nil, "generate", "--events", "5000", "--models", "7")
	if code != 0 {
		t.Fatal(&events.err)
	}
	p := newProcess(nil, "--config", cfg)
	p.Stdin = &events.out
	if code := p.code(t, p.Run()); code != 0 {
		t.Fatalf("the exit code is %d\n%s", code, &p.err)
	}
	if s := p.out.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, `"values":{"n":5000,"models":7}`) {
		t.Errorf("the result is %s", s)
	}
}

const endlessConfig = `name: endless
source: {generate: {events_per_second: 2000}}
event: {time: {field: timestamp, format: rfc3339}}
watermark: {max_out_of_orderness: 0s}
queries:
  - name: q
    key: {id: id}
    window: {tumbling: 10ms}
    aggregate: {n: count(), first: first(request_id)}
sinks:
  - stdout: {format: json}
`

// start runs the endless pipeline until its first result has come.
func start(t *testing.T) (p *process, stdout io.ReadCloser) {
	t.Helper()
	p = newProcess(nil, "--config", write(t, "c.yaml", endlessConfig))
	p.Stdout = nil
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	if _, err := io.ReadFull(stdout, make([]byte, 100)); err != nil {
		t.Fatalf("no result came: %v\n%s", err, &p.err)
	}
	return p, stdout
}

func TestASignalDrains(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			// Under nohup a process inherits that it ignores a signal, but not that
			// it is notified.
			c := make(chan os.Signal, 1)
			signal.Notify(c, s)
			defer signal.Stop(c)
			p, stdout := start(t)
			if err := p.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(stdout)
			if err != nil {
				t.Fatal(err)
			}
			if code := p.code(t, p.Wait()); code != 0 {
				t.Errorf("the exit code is %d\n%s", code, &p.err)
			}
			if !bytes.HasSuffix(rest, []byte("}\n")) {
				t.Error("the last line is not whole")
			}
			if e := p.err.String(); !strings.Contains(e, "stopping") || !strings.Contains(e, "events in") {
				t.Errorf("stderr is %s", e)
			}
		})
	}
}

// Nobody reads the results, so draining cannot end; the second signal does.
func TestASecondSignalStopsAtOnce(t *testing.T) {
	p, _ := start(t)
	time.Sleep(time.Second) // the pipe fills
	deadline := time.After(20 * time.Second)
	done := make(chan error, 1)
	go func() { done <- p.Wait() }()
	for {
		if err := p.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if code := p.code(t, err); code != 1 {
				t.Errorf("the exit code is %d\n%s", code, &p.err)
			}
			return
		case <-deadline:
			t.Fatal("the process goes on")
		case <-time.After(300 * time.Millisecond):
		}
	}
}
