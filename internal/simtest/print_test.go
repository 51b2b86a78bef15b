package simtest

import (
	"fmt"
	"strings"

	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/window"
)

// String is the program as a transcript: a config and the events.
func (p program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "event: {format: json, time: {field: ts, format: %s}", p.format)
	if p.dedup.ID != "" {
		fmt.Fprintf(&b, ", dedup: {id: %s, horizon: %v}", p.dedup.ID, p.dedup.Horizon)
	}
	b.WriteString("}\n")
	if p.limits.Keys > 0 || p.limits.Windows > 0 {
		fmt.Fprintf(&b, "limits: {keys: %d, windows: %d}\n", p.limits.Keys, p.limits.Windows)
	}
	fmt.Fprintf(&b, "watermark: {max_out_of_orderness: %v}\nqueries:\n", p.bound)
	for _, q := range p.queries {
		printQuery(&b, q)
	}
	for i, f := range p.feeds {
		fmt.Fprintf(&b, "events of partition %d:\n", i)
		const readable = 80
		for _, r := range f[:min(len(f), readable)] {
			fmt.Fprintf(&b, "  %s\n", r.raw)
		}
		if len(f) > readable {
			fmt.Fprintf(&b, "  and %d more\n", len(f)-readable)
		}
	}
	return b.String()
}

func printQuery(b *strings.Builder, q query.Query) {
	fmt.Fprintf(b, "  - name: %s\n    key: {", q.Name)
	for i, k := range q.Key {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%s: %s", k.Name, k.Expr)
	}
	fmt.Fprintf(b, "}\n    window: %s\n    allowed_lateness: %v\n", windowText(q.Window), q.AllowedLateness)
	if q.Where != "" {
		fmt.Fprintf(b, "    where: %q\n", q.Where)
	}
	if q.Trigger != (window.Trigger{}) {
		fmt.Fprintf(b, "    trigger: {count: %d, every: %v, on_time: %v}\n", q.Trigger.Count, q.Trigger.Every, !q.Trigger.NoOnTime)
	}
	fmt.Fprintf(b, "    accumulation: %v\n    aggregate: {", q.Accumulation)
	for i, a := range q.Aggregates {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%s: %q", a.Name, a.String())
	}
	b.WriteString("}\n")
}

func windowText(s window.Spec) string {
	switch s.Kind {
	case window.KindTumbling:
		return fmt.Sprintf("{tumbling: {size: %v, offset: %v}}", s.Size, s.Offset)
	case window.KindSliding:
		return fmt.Sprintf("{sliding: {size: %v, slide: %v, offset: %v}}", s.Size, s.Slide, s.Offset)
	case window.KindSession:
		return fmt.Sprintf("{session: {gap: %v}}", s.Gap)
	case window.KindCalendar:
		return fmt.Sprintf("{calendar: {unit: %s, timezone: %s}}", s.Unit, s.Zone)
	default:
		return "{global: {}}"
	}
}
