package main

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
)

// eventTime is a watermark for people, to the second.
func eventTime(t int64) string {
	switch t {
	case event.MinTime:
		return "-"
	case event.MaxTime:
		return "the end"
	default:
		return time.Unix(0, t).UTC().Format("2006-01-02 15:04:05")
	}
}

// perSecond is the rate of a whole run.
func perSecond(s pipeline.Summary) int64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return int64(math.Round(float64(s.Events) / s.Elapsed.Seconds()))
}

// writeSummary tells what a run did, with a line for each query that accounts
// for every event it read.
func writeSummary(w io.Writer, s pipeline.Summary) {
	fmt.Fprintf(w, "%s in %v (%s/s): %s, %s late, %s dead\n", plural(int(s.Events), "event", "events"),
		s.Elapsed.Round(time.Millisecond), count(perSecond(s)), plural(int(s.Results), "result", "results"), count(s.Late), count(s.Dead+s.Refused))
	writeLedgers(w, s.Queries)
	for _, q := range s.Queries {
		if q.Overflow > 0 {
			fmt.Fprintf(w, "query %s: %s of its events went to the overflow group, because of a limit\n", q.Query, count(q.Overflow))
		}
	}
	for i, n := range s.Nulls {
		told := func(o pipeline.Nulls) bool { return o.Query == n.Query && o.Field == n.Field } // a key may be computed on, too
		if n.Nulls > 0 && !slices.ContainsFunc(s.Nulls[:i], told) {
			fmt.Fprintf(w, "query %s: %s was null in %s of %s events\n", n.Query, n.Field, count(n.Nulls), count(n.Rows))
		}
	}
	if s.DroppedWindows > 0 {
		fmt.Fprintf(w, "%s dropped: the state is in memory\n", plural(int(s.DroppedWindows), "open window was", "open windows were"))
	}
	if s.KeptWindows > 0 {
		fmt.Fprintf(w, "%s kept in %s\n", plural(int(s.KeptWindows), "open window", "open windows"), s.State)
	}
}

// writeLedgers writes a line for each query; duplicates have a column if there
// are any.
func writeLedgers(w io.Writer, ledgers []pipeline.Ledger) {
	columns := []struct {
		name string
		of   func(pipeline.Ledger) int64
	}{
		{"read", func(l pipeline.Ledger) int64 { return l.Read }},
		{"in windows", func(l pipeline.Ledger) int64 { return l.InWindows }},
		{"late", func(l pipeline.Ledger) int64 { return l.Late }},
		{"dead", func(l pipeline.Ledger) int64 { return l.Dead }},
		{"filtered", func(l pipeline.Ledger) int64 { return l.Filtered }},
		{"unwindowed", func(l pipeline.Ledger) int64 { return l.Unwindowed }},
		{"duplicate", func(l pipeline.Ledger) int64 { return l.Duplicate }},
		{"results", func(l pipeline.Ledger) int64 { return l.Results }},
	}
	if !slices.ContainsFunc(ledgers, func(l pipeline.Ledger) bool { return l.Duplicate > 0 }) {
		columns = slices.Delete(columns, 6, 7)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "query\t")
	for _, c := range columns {
		fmt.Fprint(t, c.name, "\t")
	}
	fmt.Fprintln(t)
	for _, l := range ledgers {
		fmt.Fprint(t, l.Query, "\t")
		for _, c := range columns {
			fmt.Fprint(t, count(c.of(l)), "\t")
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush()
}

// summaryAttrs is the summary for a log of JSON.
func summaryAttrs(s pipeline.Summary) []any {
	attrs := []any{
		"events", s.Events, "seconds", s.Elapsed.Seconds(), "results", s.Results, "late", s.Late,
		"dead", s.Dead, "refused", s.Refused, "dropped_windows", s.DroppedWindows,
	}
	if s.State != "" {
		attrs = append(attrs, "state", s.State, "epoch", s.Epoch, "kept_windows", s.KeptWindows)
	}
	var queries []any
	for _, q := range s.Queries {
		queries = append(queries, slog.Group(q.Query, "read", q.Read, "in_windows", q.InWindows, "overflow", q.Overflow, "late", q.Late,
			"dead", q.Dead, "filtered", q.Filtered, "unwindowed", q.Unwindowed, "duplicate", q.Duplicate, "results", q.Results))
	}
	return append(attrs, slog.Group("queries", queries...))
}
