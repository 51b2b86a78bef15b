package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/config"
)

// The files in testdata/bad begin with comments: "# env NAME=value" sets a
// variable, "# want MESSAGE" is a line of the error. With -update the messages
// are renewed; read them before trusting them.
func TestBadConfigs(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("found %d files in testdata/bad (%v), there should be at least 60", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			env, want := directives(string(text))
			have := problems(t, filepath.Base(file), text, env)
			if *update {
				rewrite(t, file, string(text), have)
				return
			}
			if strings.Join(have, "\n") != strings.Join(want, "\n") {
				t.Errorf("the messages differ\nhave:\n%s\nwant:\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func directives(text string) (env, want []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if v, ok := strings.CutPrefix(line, "# env "); ok {
			env = append(env, v)
		}
		if v, ok := strings.CutPrefix(line, "# want "); ok {
			want = append(want, v)
		}
	}
	return env, want
}

func problems(t *testing.T, name string, text []byte, env []string) []string {
	t.Helper()
	c, err := config.Loader{Environ: env}.Parse(name, text)
	if err == nil {
		_, err = c.Build() // what only the whole pipeline shows
	}
	if err == nil {
		t.Fatal("the config was accepted")
	}
	var e *config.Error
	if !errors.As(err, &e) {
		t.Fatalf("the error is a %T, not a *config.Error: %v", err, err)
	}
	var lines []string
	for _, p := range e.Problems {
		if p.Variable == "" && (p.Line < 1 || p.Column < 1 || p.Line > strings.Count(string(text), "\n")+1) {
			t.Errorf("%v is no place in the file", p)
		}
		lines = append(lines, p.Error())
	}
	return lines
}

// rewrite renews the messages, keeping as many lines at the top as there are
// messages, so that the places in them stay right: run it twice after adding
// a file.
func rewrite(t *testing.T, file, text string, messages []string) {
	t.Helper()
	var out, rest strings.Builder
	for _, m := range messages {
		out.WriteString("# want " + m + "\n")
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "# want") {
			rest.WriteString(line)
		}
	}
	if err := os.WriteFile(file, []byte(out.String()+rest.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
