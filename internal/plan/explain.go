package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/expr"
	"github.com/llm-optimizer/processor/window"
)

// Column is the number of a decoded field's column, -1 if it is not decoded.
func (p *Plan) Column(path []string) int {
	for i, f := range p.Schema.Fields {
		if slices.Equal(f.Path, path) {
			return i
		}
	}
	return -1
}

// Explain is the plan as text for people. bound is the out-of-orderness bound.
func (p *Plan) Explain(bound time.Duration) string {
	var b strings.Builder
	b.WriteString("columns read from each event:\n")
	for _, f := range p.Schema.Fields {
		fmt.Fprintf(&b, "  %-28s %s\n", expr.FormatPath(f.Path), reads(f.Numeric, f.Text))
	}
	if len(p.Computed) > 0 {
		b.WriteString("columns computed once per event:\n")
		for _, c := range p.Computed {
			if text := c.Program.String(); text != c.Name {
				fmt.Fprintf(&b, "  %-28s %s\n", c.Name, text)
				continue
			}
			fmt.Fprintf(&b, "  %s\n", c.Name)
		}
	}
	for _, q := range p.Queries {
		b.WriteByte('\n')
		q.explain(&b, bound)
	}
	return b.String()
}

func reads(numeric, text bool) string {
	switch {
	case numeric && text:
		return "any scalar"
	case numeric:
		return "number"
	case text:
		return "text"
	default:
		return "presence"
	}
}

func (q *Query) explain(b *strings.Builder, bound time.Duration) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-13s "+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(b, "query %s\n", q.Info.Name)
	if q.Def.Where != "" {
		line("where", "%s", q.Def.Where)
	}
	line("key", "%s", q.explainKey())
	line("window", "%s, allowed lateness %v, %s", explainWindow(q.Def.Window), q.Def.AllowedLateness, q.Def.Accumulation)
	line("trigger", "%s", explainTrigger(q.Def.Trigger))
	line("panes", "%s", q.explainPanes())
	line("combine", "%s", q.explainCombine())
	line("open at once", "%s", q.explainOpen(bound))
	for i, s := range q.Composite.Describe() {
		name := ""
		if i == 0 {
			name = "accumulators"
		}
		line(name, "%s", s)
	}
	line("state", "about %d bytes per key and %s, when it holds ten events", q.stateBytes(), q.unit())
}

func (q *Query) explainKey() string {
	if len(q.Def.Key) == 0 {
		return "none: one group"
	}
	var parts []string
	for _, k := range q.Def.Key {
		if k.Name == k.Expr {
			parts = append(parts, k.Name)
			continue
		}
		parts = append(parts, k.Name+" = "+k.Expr)
	}
	return strings.Join(parts, ", ")
}

// Window is the query's window in words: "tumbling 1m0s".
func (q *Query) Window() string {
	return strings.TrimSuffix(explainWindow(q.Def.Window), ", offset 0s")
}

func explainWindow(w window.Spec) string {
	switch w.Kind {
	case window.KindTumbling:
		return fmt.Sprintf("tumbling %v, offset %v", w.Size, w.Offset)
	case window.KindSliding:
		return fmt.Sprintf("sliding %v by %v, offset %v", w.Size, w.Slide, w.Offset)
	case window.KindSession:
		return fmt.Sprintf("session, gap %v", w.Gap)
	case window.KindCalendar:
		return fmt.Sprintf("calendar %s in %s", w.Unit, w.Zone)
	default:
		return "global"
	}
}

func explainTrigger(t window.Trigger) string {
	var parts []string
	if !t.NoOnTime {
		parts = append(parts, "when the watermark passes the window's end")
	}
	if t.Count > 0 {
		parts = append(parts, fmt.Sprintf("every %d events of the key and window", t.Count))
	}
	if t.Every > 0 {
		parts = append(parts, fmt.Sprintf("every %v of processing time", t.Every))
	}
	return strings.Join(parts, "; ")
}

func (q *Query) explainPanes() string {
	switch {
	case q.Aligned == nil:
		return "none: sessions are merged intervals"
	case q.SharesPanes():
		return fmt.Sprintf("%d to a window, shared by up to %d windows; an event is added once", q.Aligned.PanesPerWindow(), q.Aligned.WindowsPerEvent())
	case q.Aligned.WindowsPerEvent() > 1:
		return fmt.Sprintf("one to a window; an event is added to up to %d windows, as each fires more than once by itself", q.Aligned.WindowsPerEvent())
	default:
		return "one to a window"
	}
}

func (q *Query) explainCombine() string {
	if q.Combines() {
		return "each partition folds events into partials by key and pane; measured, and off where it does not pay"
	}
	return "off: events cross to the merge side one by one"
}

func (q *Query) explainOpen(bound time.Duration) string {
	w := q.Def.Window
	held := bound + q.Def.AllowedLateness
	switch {
	case w.Kind == window.KindGlobal:
		return "1 window of each key"
	case q.Aligned == nil:
		return fmt.Sprintf("sessions of each key whose last event is less than %v behind", w.Gap+held)
	case w.Kind == window.KindCalendar:
		return fmt.Sprintf("1 window of each key, and those that ended less than %v before", held)
	}
	slide := w.Size
	if w.Kind == window.KindSliding {
		slide = w.Slide
	}
	return fmt.Sprintf("%d windows of each key (size, out-of-orderness and lateness over %v)", int64((w.Size+held+slide-1)/slide)+1, slide)
}

func (q *Query) unit() string {
	switch {
	case q.Aligned == nil:
		return "session"
	case q.SharesPanes():
		return "pane"
	default:
		return "window"
	}
}

// stateBytes measures the accumulators of one key and pane, with ten events of
// different values each.
func (q *Query) stateBytes() int {
	const slots, events = 1024, 10
	comp := q.Composite.Clone()
	b := &event.Batch{N: events}
	col := event.Column{}
	for i := range events {
		b.Time, b.Offset = append(b.Time, int64(i)), append(b.Offset, int64(i))
		col.Kind, col.Num = append(col.Kind, event.Number), append(col.Num, 1+float64(i)*1.7)
		col.Str = append(col.Str, event.Ref{})
	}
	cols := make([]*event.Column, len(q.Inputs))
	for i := range cols {
		cols[i] = &col
	}
	rows := aggregate.Rows{Batch: b}
	for range slots {
		slot := comp.Alloc()
		for i := range events {
			rows.Slot, rows.Index = append(rows.Slot, slot), append(rows.Index, int32(i))
		}
	}
	comp.Update(rows, cols)
	return comp.Bytes() / slots
}
