package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const streamConfig = `name: test
source: {stdin: {}}
event: {time: {field: ts, format: unix_ms}}
queries:
  - name: q
    key: [k]
    window: {tumbling: 1s}
    aggregate: {n: count(), sum: sum(v)}
sinks:
  - stdout: {format: json}
`

// call is one call of the program.
type call struct {
	code           int
	stdout, stderr string
}

func execute(t *testing.T, stdin string, env []string, args ...string) call {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := command{
		environ: env, stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr,
		exit: func(code int) { t.Errorf("the process would end at once with %d", code) },
	}.run(args)
	return call{code, stdout.String(), stderr.String()}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExitCodesAndStreams(t *testing.T) {
	good := writeFile(t, "good.yaml", streamConfig)
	bad := writeFile(t, "bad.yaml", "name: BAD\n")
	noInput := writeFile(t, "noinput.yaml", strings.Replace(streamConfig, "{stdin: {}}", `{file: {path: "/does/not/exist.jsonl"}}`, 1))
	failing := writeFile(t, "failing.yaml", strings.Replace(streamConfig, "event: {", "event: {on_error: fail, ", 1))
	tests := []struct {
		name           string
		args           []string
		stdin          string
		code           int
		stdout, stderr string // a part of each; "" means it is empty
	}{
		{"help", []string{"--help"}, "", 0, "Commands:", ""},
		{"help of a command", []string{"generate", "--help"}, "", 0, "--seed", ""},
		{"version", []string{"version"}, "", 0, "processor ", ""},
		{"schema", []string{"schema"}, "", 0, `"$schema"`, ""},
		{"nothing", nil, "", 2, "", "missing flags: --config=FILE"},
		{"unknown flag", []string{"--bogus"}, "", 2, "", "unknown flag --bogus"},
		{"unknown command", []string{"bogus"}, "", 2, "", "bogus"},
		{"config that is not there", []string{"--config", "/does/not/exist.yaml"}, "", 2, "", "cannot read the config"},
		{"bad config", []string{"--config", bad}, "", 2, "", "bad.yaml:1:7: name:"},
		{"validate", []string{"validate", "--config", good}, "", 0, "is valid: 1 query to 1 sink", ""},
		{"validate a bad one", []string{"validate", "--config", bad}, "", 2, "", "sinks: is missing"},
		{"validate starts nothing", []string{"validate", "--config", noInput}, "", 0, "is valid", ""},
		{"explain", []string{"explain", "--config", good}, "", 0, "query q", ""},
		{"explain a bad one", []string{"explain", "--config", bad}, "", 2, "", "sinks: is missing"},
		{"input that is not there", []string{"--config", noInput}, "", 1, "", "/does/not/exist.jsonl"},
		{"run", []string{"run", "--config", good}, `{"ts":1,"k":"a","v":2}` + "\n", 0, `"values":{"n":1,"sum":2}`, "/s): 1 result, 0 late"},
		{"run by default", []string{"-c", good}, `{"ts":1,"k":"a","v":2}` + "\n", 0, `"values":{"n":1,"sum":2}`, "1 event in "},
		{"a record that fails the run", []string{"-c", failing}, "x\n", 1, "", "on_error is fail"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := execute(t, test.stdin, nil, test.args...)
			if c.code != test.code {
				t.Errorf("the exit code is %d, want %d", c.code, test.code)
			}
			for stream, pair := range map[string][2]string{"stdout": {c.stdout, test.stdout}, "stderr": {c.stderr, test.stderr}} {
				if pair[1] == "" && pair[0] != "" || !strings.Contains(pair[0], pair[1]) {
					t.Errorf("%s is %q, want %q in it", stream, pair[0], pair[1])
				}
			}
		})
	}
}

func TestUsageErrors(t *testing.T) {
	for line, want := range map[string]string{
		"":                           "missing flags: --config=FILE; see processor --help",
		"run":                        "missing flags: --config=FILE; see processor run --help",
		"run api.yaml":               "unexpected argument api.yaml: write --config api.yaml; see processor run --help",
		"api.yml":                    "unexpected argument api.yml: write --config api.yml; see processor --help",
		"generate api.yaml":          "unexpected argument api.yaml; see processor generate --help",
		"--config":                   "--config needs a file: --config FILE; see processor --help",
		"state ls --path":            "--path needs a directory: --path DIR; see processor state ls --help",
		"state ls --bogus":           "unknown flag --bogus; see processor state ls --help",
		"state lst":                  "unexpected argument lst: did you mean ls?; see processor state --help",
		"state ls":                   "give --config FILE, or --path DIR",
		"stat":                       "unexpected argument stat: did you mean state?; see processor --help",
		"version --x":                "unknown flag --x; see processor version --help",
		"state ls -x":                "unknown flag -x; see processor state ls --help",
		"why --limt 5":               "unknown flag --limt: did you mean --limit?; see processor why --help",
		"--confg x":                  "unknown flag --confg: did you mean --config?; see processor --help",
		"generate --start yesterday": `--start: "yesterday" is no time: write one such as 2026-01-31T08:00:00Z; see processor generate --help`,
		"generate --jitter 5":        `--jitter: "5" is no duration: write one such as 500ms, 30s or 5m; see processor generate --help`,
		"generate --events many":     `--events: "many" is no number that is allowed here; see processor generate --help`,
	} {
		c := execute(t, "", nil, strings.Fields(line)...)
		if c.code != exitUsage || c.stdout != "" || !strings.HasPrefix(c.stderr, "processor: ") || !strings.Contains(c.stderr, want) {
			t.Errorf("%q gives code %d, stdout %q, stderr %q, want %q", line, c.code, c.stdout, c.stderr, want)
		}
	}
}

func TestUsualFlags(t *testing.T) {
	for _, c := range [][2][]string{
		{{"--version"}, {"version"}},
		{{"help"}, {"--help"}},
		{{"help", "state", "ls"}, {"state", "ls", "--help"}},
	} {
		have, want := execute(t, "", nil, c[0]...), execute(t, "", nil, c[1]...)
		if have != want || have.code != exitOK || have.stdout == "" {
			t.Errorf("%q gives %+v, want %+v", c[0], have, want)
		}
	}
	// Which of the two is required is for the command to say, as it is neither.
	if c := execute(t, "", nil, "state", "ls", "--help"); !strings.HasPrefix(c.stdout, "Usage: processor state ls [flags]\n") {
		t.Errorf("the help is\n%s", c.stdout)
	}
}

func TestRunReportsTheLedger(t *testing.T) {
	good := writeFile(t, "good.yaml", streamConfig)
	input := `{"ts":1,"k":"a","v":2}` + "\nno event\n" + `{"ts":20000,"k":"a","v":3}` + "\n" + `{"ts":500,"k":"b","v":3}` + "\n"
	c := execute(t, input, []string{"PROCESSOR_UNKNOWN=1"}, "-c", good)
	if c.code != 0 || strings.Count(c.stdout, "\n") != 2 {
		t.Fatalf("exit code %d, stdout:\n%s", c.code, c.stdout)
	}
	for _, want := range []string{"PROCESSOR_UNKNOWN names no setting", "3 events in", "2 results, 1 late, 1 dead", "in windows", "dead letter"} {
		if !strings.Contains(c.stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, c.stderr)
		}
	}
	c = execute(t, input, []string{"PROCESSOR_LOG__LEVEL=error"}, "-c", good)
	if c.code != 0 || c.stderr != "" {
		t.Errorf("with log level error, exit code %d and stderr %q", c.code, c.stderr)
	}
}

func TestRunLogsTheSummaryAsJSON(t *testing.T) {
	good := writeFile(t, "good.yaml", streamConfig)
	c := execute(t, `{"ts":1,"k":"a","v":2}`+"\n", []string{"PROCESSOR_LOG__FORMAT=json"}, "-c", good)
	lines := strings.Split(strings.TrimSpace(c.stderr), "\n")
	var last struct {
		Msg     string
		Events  int
		Queries map[string]map[string]int
	}
	for _, line := range lines {
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%q is no JSON: %v", line, err)
		}
	}
	if last.Msg != "finished" || last.Events != 1 || last.Queries["q"]["in_windows"] != 1 {
		t.Errorf("the last line is %+v", last)
	}
}

func TestGenerate(t *testing.T) {
	one := execute(t, "", nil, "generate", "--events", "100", "--seed", "7", "--models", "2")
	if one.code != 0 || one.stderr != "" || strings.Count(one.stdout, "\n") != 100 {
		t.Fatalf("exit code %d, %d lines, stderr %q", one.code, strings.Count(one.stdout, "\n"), one.stderr)
	}
	if again := execute(t, "", nil, "generate", "--events", "100", "--seed", "7", "--models", "2"); again.stdout != one.stdout {
		t.Error("the same seed gives other events")
	}
	if other := execute(t, "", nil, "generate", "--events", "100", "--seed", "8", "--models", "2"); other.stdout == one.stdout {
		t.Error("another seed gives the same events")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "new", "events.jsonl")
	if c := execute(t, "", nil, "generate", "--events", "100", "--seed", "7", "--models", "2", "--out", file); c.code != 0 || c.stdout != "" {
		t.Errorf("writing a file gives %+v", c)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != one.stdout {
		t.Errorf("the file differs from standard output (%v)", err)
	}
	if c := execute(t, "", nil, "generate", "--events", "100", "--files", "3", "--out", filepath.Join(dir, "parts")); c.code != 0 {
		t.Errorf("writing three files gives %+v", c)
	}
	for i, want := range []int{34, 33, 33} {
		text, err := os.ReadFile(filepath.Join(dir, "parts", "events-"+string(rune('0'+i))+".jsonl"))
		if have := bytes.Count(text, []byte("\n")); err != nil || have != want {
			t.Errorf("file %d has %d lines (%v), want %d", i, have, err, want)
		}
	}
	if c := execute(t, "", nil, "generate", "--events", "1", "--out", dir); c.code != 0 {
		t.Errorf("writing to a directory gives %+v", c)
	}
	if _, err := os.Stat(filepath.Join(dir, "events-0.jsonl")); err != nil {
		t.Error(err)
	}
}

func TestGenerateRefuses(t *testing.T) {
	file := writeFile(t, "file", "")
	for code, lines := range map[int][][]string{
		2: {{"--rate", "0"}, {"--files", "0"}, {"--files", "2"}, {"--events", "many"}, {"--late", "2"}},
		1: {{"--out", filepath.Join(file, "below-a-file")}},
	} {
		for _, args := range lines {
			if c := execute(t, "", nil, append([]string{"generate"}, args...)...); c.code != code || c.stderr == "" {
				t.Errorf("generate %q gives %+v, want code %d", args, c, code)
			}
		}
	}
}
