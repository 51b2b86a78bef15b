package sink

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

var update = flag.Bool("update", false, "write testdata/table.txt")

// session is a query with a string among its values and no key.
var session = &result.Query{Name: "sessions", Values: []string{"steps", "top"}}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	s := NewStdout(&out, Table)
	must(t, s.Open(t.Context()))
	write := func(b result.Batch) {
		must(t, s.Write(t.Context(), &b))
		fmt.Fprintln(&out, "~")
	}
	write(result.Batch{Results: []result.Result{
		row(4, "gpt-4o-2024-08-06", 812, 1.93, 1840.2), row(4, "llama", 12345, 0.000068, 95),
	}})
	// Late firings, a retraction, a partial row; wider than what was there.
	late := row(3, "llama", 1_234_567, 12.5, 3.25)
	late.Timing, late.Firing = result.Late, 2
	gone := row(3, "llama")
	gone.Timing, gone.Firing = result.Retract, 3
	part := row(5, "a-model-whose-name-is-longer-than-any-column-may-be", 1, 1, 1)
	part.Partial = true
	write(result.Batch{Results: []result.Result{late, gone, part}})
	// Two queries, mixed; a session across midnight, a global window.
	one := result.Result{Query: session, Start: 1767311990e9, End: 1767312010.5e9,
		Values: []event.Value{event.Int(1 << 62), event.JSONValue(`[{"value":"x","count":3}]`)}}
	all := result.Result{Query: session, Start: event.MinTime, End: event.MaxTime, Values: []event.Value{{}, event.Bool(true)}}
	write(result.Batch{Results: []result.Result{one, row(6, "llama", 1, 2, 3), all}})
	// Another day, and a whole one.
	next := row(24*60, "llama", 1, 2, 3)
	days := row(9*60, "llama", 1, 2, 3)
	days.End = days.Start + 86400e9
	week := row(9*60, "llama", 1, 2, 3)
	week.Start, week.End = week.Start+3600e9, week.Start+7*86400e9
	write(result.Batch{Results: []result.Result{next, days, week}})
	write(result.Batch{
		Late: []result.LateEvent{{Query: "model_minute", Source: result.Source{Path: "data/a.jsonl", Offset: 1234},
			Timestamp: 1767279600e9, Watermark: 1767279608.5e9, Event: []byte(`{"model":"llama"}`)}},
		Dead: []result.DeadLetter{{Source: result.Source{Topic: "feedback-events", Partition: 3, Offset: 7},
			Reason: "json", Err: "cut short at byte 9", Raw: []byte("{\"x\": \x1b[31m\n" + strings.Repeat("y", 200))}},
	})
	write(result.Batch{})
	must(t, s.Close(t.Context()))

	const golden = "testdata/table.txt"
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(golden, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if out.String() != string(want) {
		t.Errorf("the table is now\n%s\nand was\n%s", out.String(), want)
	}
}

// The header comes again after a screen of rows, and only then.
func TestTableRepeatsItsHeader(t *testing.T) {
	var out bytes.Buffer
	s := NewStdout(&out, Table)
	must(t, s.Open(t.Context()))
	for i := range 3 * headerEvery {
		must(t, s.Write(t.Context(), &result.Batch{Results: []result.Result{row(i, "m", 1, 2, 3)}}))
	}
	if n := strings.Count(out.String(), "requests"); n != 3 {
		t.Errorf("%d headers for %d rows, want 3", n, 3*headerEvery)
	}
}

func TestTableMeta(t *testing.T) {
	var out bytes.Buffer
	s := NewStdout(&out, Table)
	s.Meta = true
	deliver(t, s, row(0, "m", 1, 2, 3))
	if !strings.Contains(out.String(), "events=3 watermark=2026-01-01 15:01:05\n") {
		t.Errorf("no meta in\n%s", out.String())
	}
}

// Every line of a query is aligned: the remarks begin after all columns, and
// no cell reaches into the next.
func TestTableAlignment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []result.Result
		for i := range rapid.IntRange(1, 40).Draw(t, "rows") {
			model := rapid.String().Draw(t, "model")
			rows = append(rows, row(i, model, rapid.Float64().Draw(t, "a"), rapid.Float64().Draw(t, "b"), rapid.Float64().Draw(t, "c")))
		}
		tab := newTable(false)
		text := string(tab.append(nil, &result.Batch{Results: rows}))
		width := 0
		for _, w := range tab.layouts[query.Name].widths {
			width += w + 2
		}
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if n := len([]rune(line)); line != "" && n != width-2 {
				t.Fatalf("a line has %d characters, want %d:\n%s", n, width-2, text)
			}
		}
		for _, r := range text {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("a terminal would see %q", r)
			}
		}
	})
}

func TestNumber(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", 1: "1", -1: "-1", 999: "999", 1000: "1,000", 999999: "999,999", -12345: "-12,345",
		1e6: "1M", 1234567: "1.235M", 999_960_000: "1G", 1.5e9: "1.5G", 2.5e12: "2.5T", -3e15: "-3P", 4e18: "4E", 9e20: "900E", 1e21: "1e+21",
		1.93: "1.93", 1840.2: "1,840", 12.345: "12.35", 123.456: "123.5", 0.006845: "0.006845", 0.5: "0.5",
		999.96: "1,000", 999960.5: "1M", 12345.6: "12,346", 0.00012: "0.00012", 0.0000123456: "1.235e-05", -0.25: "-0.25",
	} {
		if got := number(f); got != want {
			t.Errorf("number(%v) = %s, want %s", f, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for s, want := range map[string]string{
		"short": "short", "exactly10!": "exactly10!", "eleven char": "eleven ch…", "ünï": "ünï",
		"a\tb\x1b[31m": "a·b·[31m", "ééééééééééé": "ééééééééé…", "\xff": "·",
	} {
		if got := cut(s, 10); got != want && s != "\xff" {
			t.Errorf("cut(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestWindow(t *testing.T) {
	const day = int64(86400e9)
	for _, c := range []struct {
		start, end int64
		want       string
	}{
		{0, 60e9, "00:00:00–00:01:00"},
		{-1e6, 4e6, "23:59:59.999–00:00:00.004"},
		{0, day, "1970-01-01–1970-01-02"},
		{-day, 6 * day, "1969-12-31–1970-01-07"},
		{3600e9, 3600e9 + day, "01:00:00–01:00:00"},
		{3600e9, 3600e9 + 2*day, "1970-01-01 01:00:00–1970-01-03 01:00:00"},
		{-8_500_000_000e9, 6_053_600_000e9, "1700-08-24 08:53:20–2161-10-30 19:33:20"},
		{event.MinTime, event.MaxTime, "all time"},
	} {
		if got := window(c.start, c.end); got != c.want {
			t.Errorf("window(%d, %d) = %s, want %s", c.start, c.end, got, c.want)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestStdoutErrors(t *testing.T) {
	if err := NewStdout(&bytes.Buffer{}, "xml").Open(t.Context()); err == nil || !strings.Contains(err.Error(), `"xml"`) {
		t.Errorf("error %v", err)
	}
	s := NewStdout(failing{}, JSON)
	must(t, s.Open(t.Context()))
	if err := s.Write(t.Context(), &result.Batch{Results: []result.Result{row(0, "m", 1)}}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v", err)
	}
	std := Stdout(JSON)
	must(t, std.Open(t.Context()))
	if std.w != os.Stdout {
		t.Error("the default is not os.Stdout")
	}
}

// One write for a batch: lines of two writers on one stream do not mix.
func TestStdoutWritesABatchAtOnce(t *testing.T) {
	w := &counting{}
	s := NewStdout(w, JSON)
	s.Meta = true
	deliver(t, s, row(0, "m", 1), row(1, "m", 1), row(2, "m", 1))
	if w.writes != 1 || !strings.Contains(w.text, `"emitted_at"`) {
		t.Errorf("%d writes of %s", w.writes, w.text)
	}
}

type counting struct {
	writes int
	text   string
}

func (w *counting) Write(p []byte) (int, error) {
	w.writes++
	w.text += string(p)
	return len(p), nil
}

func TestShrunk(t *testing.T) {
	if shrunk(make([]byte, 0, maxIdleBuffer+1)) != nil || cap(shrunk(make([]byte, 0, 10))) != 10 {
		t.Error("the wrong buffer is kept")
	}
}
