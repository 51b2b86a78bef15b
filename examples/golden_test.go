package examples

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/config"
	"github.com/llm-optimizer/processor/pipeline"
)

var update = flag.Bool("update", false, "write the golden files again; read the difference before committing it")

// TestCollectorSample holds every row of the sample's results, late events and
// dead letters, under settings that must not change them.
func TestCollectorSample(t *testing.T) {
	for _, s := range []struct {
		name string
		set  func(*pipeline.Spec)
	}{
		{"as it stands", func(*pipeline.Spec) {}},
		{"one worker", func(s *pipeline.Spec) { s.Workers = 1 }},
		{"four workers", func(s *pipeline.Spec) { s.Workers = 4 }},
		{"every event", func(s *pipeline.Spec) { s.Watermark.Emit = pipeline.EveryEvent }},
	} {
		t.Run(s.name, func(t *testing.T) {
			out := run(t, "collector.yaml", s.set)
			for _, file := range []string{"results", "late", "dead"} {
				golden(t, filepath.Join("data", "golden", "collector."+file+".jsonl"), lines(t, filepath.Join(out, file+".jsonl")))
			}
		})
	}
}

// run runs a config of this folder and returns where its output is.
func run(t *testing.T, file string, set func(*pipeline.Spec)) string {
	t.Helper()
	out := t.TempDir()
	c, err := config.Load(file, []string{"DATA=data", "OUT=" + out})
	if err != nil {
		t.Fatal(err)
	}
	set(&c.Spec)
	p, err := c.Build()
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range s.Queries {
		if err := l.Check(); err != nil {
			t.Error(err)
		}
	}
	return out
}

// lines reads a file's lines, sorted: with several shards the order of rows is
// not promised.
func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	slices.Sort(all)
	return all
}

func golden(t *testing.T, path string, got []string) {
	t.Helper()
	text := []byte(strings.Join(got, "\n") + "\n")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s: %s", path, difference(strings.Split(string(want), "\n"), strings.Split(string(text), "\n")))
	}
}

// difference names the first line that is not as it should be.
func difference(want, got []string) string {
	for i := range max(len(want), len(got)) {
		w, g := "nothing", "nothing"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			return fmt.Sprintf("line %d is\n%s\nwant\n%s", i+1, g, w)
		}
	}
	return "no difference"
}
