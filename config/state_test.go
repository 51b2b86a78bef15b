package config_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/config"
	"github.com/llm-optimizer/processor/state/pebble"
	"github.com/llm-optimizer/processor/state/redis"
)

func TestWhereStateLives(t *testing.T) {
	const followed = `{file: {path: "*.jsonl", follow: true}}`
	tests := []struct {
		name, source, settings string
		env                    []string
		want                   string // what the store calls itself; "" is memory
	}{
		{"standard input", "{stdin: {}}", "", nil, ""},
		{"made-up events", "{generate: {}}", "", nil, ""},
		{"files", `{file: {path: "*.jsonl"}}`, "", nil, ""},
		{"followed files", followed, "", nil, "state/small"},
		{"files, by choice", `{file: {path: "*.jsonl"}}`, "state: {backend: pebble}\n", nil, "state/small"},
		{"made-up events, by choice", "{generate: {}}", "state: {backend: pebble}\n", nil, "state/small"},
		{"followed files in memory", followed, "state: {backend: memory}\n", nil, ""},
		{"a path", followed, "state: {path: /var/lib/x}\n", nil, "/var/lib/x"},
		{"redis", followed, "state: {backend: redis}\n", nil, "redis://localhost:6379/0 processor:small"},
		{"redis with a password", followed, "state: {backend: redis, path: 'redis://:${P}@cache/3'}\n", []string{"P=hunter2"}, "redis://cache:6379/3 processor:small"},
		{"redis with TLS", followed, "state: {backend: redis, path: 'rediss://u:p@cache:1/'}\n", nil, "rediss://cache:1 processor:small"},
		{"redis at a socket", followed, "state: {backend: redis, path: 'unix:///run/redis.sock'}\n", nil, "unix:///run/redis.sock processor:small"},
		{"from the environment", "{generate: {}}", "", []string{"PROCESSOR_STATE__BACKEND=pebble", "PROCESSOR_STATE__PATH=/x", "PROCESSOR_NAME=other"}, "/x"},
		{"under the name from the environment", followed, "", []string{"PROCESSOR_NAME=other"}, "state/other"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := load(t, strings.Replace(minimal, "{stdin: {}}", test.source, 1)+test.settings, test.env...)
			have := ""
			if c.Spec.State.Store != nil {
				have = c.Spec.State.Store.String()
			}
			if have != test.want || len(c.Warnings) > 0 {
				t.Errorf("the state is in %q, want %q; warnings %q", have, test.want, c.Warnings)
			}
		})
	}
}

func TestWarnsOfSettingsWithoutState(t *testing.T) {
	c := load(t, minimal+"state: {path: x, epoch: 2s, checkpoint: {every: 1h}, on_corruption: restore}\n")
	for _, name := range []string{"path", "epoch", "checkpoint", "on_corruption"} {
		if !strings.Contains(strings.Join(c.Warnings, "\n"), "state."+name+" has no effect") {
			t.Errorf("no warning about %s: %q", name, c.Warnings)
		}
	}
}

// Reading a config and planning it makes no directory and calls no server.
func TestStateIsNotTouched(t *testing.T) {
	t.Chdir(t.TempDir())
	text := strings.Replace(minimal, "{stdin: {}}", "{generate: {}}", 1)
	for _, settings := range []string{"state: {backend: pebble}\n", "state: {backend: redis, path: 'redis://127.0.0.1:1'}\n"} {
		if _, err := load(t, text+settings).Build(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := filepath.Glob("*"); err != nil || len(left) > 0 {
		t.Errorf("there are %q now (%v)", left, err)
	}
}

func TestStateGetsTheLogger(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	for _, backend := range []string{"pebble", "redis"} {
		c := load(t, strings.Replace(minimal, "{stdin: {}}", "{generate: {}}", 1)+"state: {backend: "+backend+"}\n")
		c.Spec.Logger = log
		if _, err := c.Build(); err != nil {
			t.Fatal(err)
		}
		var have *slog.Logger
		switch s := c.Spec.State.Store.(type) {
		case *pebble.Store:
			have = s.Logger
		case *redis.Store:
			have = s.Logger
		}
		if have != log {
			t.Errorf("the logger of %s is %v", backend, have)
		}
	}
}

// No message of a config shows a password that stands in it, whatever else is
// wrong.
func TestPasswordsStayOutOfMessages(t *testing.T) {
	const secret = "hunter2"
	files, err := filepath.Glob("testdata/bad/*redis*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d files (%v)", len(files), err)
	}
	var texts [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	for _, address := range []string{"redis://:hunter2@h/x", "http://hunter2@h", "redis://:hunter2@h:port", "//:hunter2@", "redis://:hunter2@h:1 # : x", "redis://:hunter2@h: 1", "[redis://:hunter2@h]"} {
		for _, line := range []string{"state: {backend: redis, path: %}\n", "state: {path: %}\n", "state: {backend: %}\n", "state: %\n", "state:\n  backend: redis\n  path: %\n", "delivery: %\n", "state: {epoch: %}\n"} {
			texts = append(texts, []byte(minimal+strings.ReplaceAll(line, "%", address)))
		}
	}
	for _, text := range texts {
		env, _ := directives(string(text))
		c, err := config.Loader{Environ: env}.Parse("f", text)
		if err == nil {
			if _, err = c.Build(); err == nil {
				continue
			}
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the password is shown:\n%v\nof\n%s", err, text)
		}
	}
}
