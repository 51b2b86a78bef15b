package sink

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var query = &result.Query{Name: "model_minute", Keys: []string{"model", "tenant"}, Values: []string{"requests", "cost_usd", "p95_ms"}, Seed: 1}

// row is a result of a minute at 15:00 on 2026-01-01.
func row(minute int, model string, values ...float64) result.Result {
	start := int64(1767279600e9) + int64(minute)*60e9
	r := result.Result{
		Query: query, Start: start, End: start + 60e9, Identity: start, Watermark: start + 65e9, Events: 3,
		Key:     string(event.AppendKeyValue(event.AppendKeyValue(nil, event.Text(model)), event.Value{})),
		KeyJSON: `{"model":"` + model + `","tenant":null}`,
	}
	for _, v := range values {
		r.Values = append(r.Values, event.Float(v))
	}
	return r
}

// deliver runs a sink's life with one batch.
func deliver(t testing.TB, s Sink, rows ...result.Result) {
	t.Helper()
	must(t, s.Open(t.Context()))
	must(t, s.Write(t.Context(), &result.Batch{Results: rows}))
	must(t, s.Close(t.Context()))
}

func TestFileOnExisting(t *testing.T) {
	line := func() string {
		r := row(0, "m", 1)
		return string(r.AppendJSON(nil, false)) + "\n"
	}()
	for _, c := range []struct{ mode, before, want, err string }{
		{Append, "old\n", "old\n" + line, ""},
		{"", "old\n", "old\n" + line, ""},
		{Append, "cut sho", "cut sho\n" + line, ""},
		{Truncate, "old\n", line, ""},
		{Refuse, "", line, ""},
		{Refuse, "old\n", "old\n", "4 bytes"},
		{"replace", "old\n", "old\n", `cannot "replace"`},
	} {
		path := filepath.Join(t.TempDir(), "out.jsonl")
		must(t, os.WriteFile(path, []byte(c.before), 0o600))
		s := &File{Path: path, OnExisting: c.mode}
		if c.err == "" {
			deliver(t, s, row(0, "m", 1))
		} else if err := errors.Join(s.Open(t.Context()), s.Start(t.Context())); err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s on %q: error %v does not say %q", c.mode, c.before, err, c.err)
		}
		must(t, s.Close(t.Context()))
		got, err := os.ReadFile(path)
		must(t, err)
		if string(got) != c.want {
			t.Errorf("%s on %q gives %q, want %q", c.mode, c.before, got, c.want)
		}
	}
}

func TestFileOpenErrors(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for path, want := range map[string]string{
		"":                             "no path",
		dir:                            "is a directory",
		filepath.Join(dir, "file/out"): "not a directory",
	} {
		if err := (&File{Path: path}).Open(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v does not say %q", path, err, want)
		}
	}
}

// Two sinks on one file do not overwrite each other, and no line is torn.
func TestFileSharedByTwoSinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	a, b := &File{Path: path}, &File{Path: path}
	must(t, a.Open(t.Context()))
	must(t, b.Open(t.Context()))
	for i := range 10 {
		must(t, a.Write(t.Context(), &result.Batch{Results: []result.Result{row(i, "a", 1)}}))
		must(t, b.Write(t.Context(), &result.Batch{Results: []result.Result{row(i, "b", 1)}}))
	}
	must(t, a.Close(t.Context()))
	must(t, b.Close(t.Context()))
	got, err := os.ReadFile(path)
	must(t, err)
	if n := bytes.Count(got, []byte("\n")); n != 20 {
		t.Errorf("%d lines, want 20", n)
	}
}

func TestFileOnAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	s := &File{Path: "/dev/full"}
	must(t, s.Open(t.Context()))
	err := s.Write(t.Context(), &result.Batch{Results: []result.Result{row(0, "m", 1)}})
	if err == nil || !strings.Contains(err.Error(), "/dev/full") || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("error %v", err)
	}
	large := make([]result.Result, 10_000)
	for i := range large {
		large[i] = row(i, "m", 1)
	}
	if err := s.Write(t.Context(), &result.Batch{Results: large}); err == nil {
		t.Error("a large batch fits on a full disk")
	}
	must(t, s.Close(t.Context()))
	must(t, s.Close(t.Context()))
}

func TestFileWriteWithoutOpen(t *testing.T) {
	s := &File{Path: "x"}
	if err := s.Write(t.Context(), &result.Batch{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func BenchmarkFile(b *testing.B) {
	s := &File{Path: filepath.Join(b.TempDir(), "out.jsonl")}
	benchmark(b, s)
}

func BenchmarkStdoutJSON(b *testing.B)  { benchmark(b, NewStdout(io.Discard, JSON)) }
func BenchmarkStdoutTable(b *testing.B) { benchmark(b, NewStdout(io.Discard, Table)) }

func benchmark(b *testing.B, s Sink) {
	b.ReportAllocs()
	batch := new(result.Batch)
	for i := range 1000 {
		batch.Results = append(batch.Results, row(i, "gpt-x", 812, 1.93, 1840.2))
	}
	must(b, s.Open(b.Context()))
	for b.Loop() {
		must(b, s.Write(b.Context(), batch))
	}
	must(b, s.Close(b.Context()))
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "rows/s")
}
