package top

import "fmt"

// whyBlock tells why windows are open: the answer in a sentence, and those that
// close next.
func (m *Model) whyBlock(width int) block {
	list := m.groups()
	g := grid{columns: []column{
		{"query", text, 0}, {"window", number, 0}, {"keys", number, 0}, {"events", number, 2}, {"closes in", number, 0}, {"", text, 3},
	}}
	for i := range list {
		o := &list[i]
		closes, closed := "-", ""
		switch {
		case o.ClosesAt == nil:
			closes = "never"
		case o.Missing >= 0:
			closes = seconds(o.Missing)
		}
		events := "-" // of sliding windows it is not known
		if o.Events > 0 {
			events = short(o.Events)
		}
		if o.Closed {
			closed = "kept for late events"
		}
		g.rows = append(g.rows, []cell{
			{m.Look.clean(o.Query), usual},
			{bounds(o.Start, o.End, m.status.Now), usual},
			{short(o.Keys), usual},
			{events, usual},
			{closes, usual},
			{closed, faint},
		})
	}
	b := m.table(whyPanel, m.counted("Why: open windows", len(list), m.why.Total), g, width)
	var said []string
	for _, line := range m.reason(width) {
		said = append(said, "  "+line)
	}
	if len(list) == 0 {
		b.head = nil // a heading of nothing
	}
	b.head = append(said, b.head...)
	return b
}

// reason is the sentence, in lines.
func (m *Model) reason(width int) []string {
	text, t := m.why.Reason, usual
	if m.whyErr != nil {
		text, t = "not known: "+m.whyErr.Error(), bad
	}
	lines := []string{m.Look.clean(text)}
	if width > 0 {
		lines = m.Look.wrap(lines[0], width-indent)
	}
	var painted []string
	for _, line := range lines {
		if line != "" {
			painted = append(painted, m.Look.paint(t, line))
		}
	}
	return painted
}

// resultsBlock shows the last results of the chosen query, the newest first.
func (m *Model) resultsBlock(width int) block {
	query := m.query()
	title := "Results"
	if query != "" {
		title += " of " + m.Look.clip(m.Look.clean(query), 40)
	}
	rows := m.rows()
	all := 0
	if m.resultsOf == query {
		all = len(m.results.Rows)
	}
	g := grid{columns: []column{{"window", number, 0}, {"timing", text, 2}, {"key", text, 0}, {"values", text, 0}}}
	for i := range rows {
		r := &rows[i]
		timing, t := m.Look.clean(r.Timing), usual
		if r.Firing > 0 {
			timing += fmt.Sprintf(" #%d", r.Firing)
		}
		if r.Timing != "on_time" {
			t = warning
		}
		g.rows = append(g.rows, []cell{
			{bounds(r.Start, r.End, m.status.Now), faint},
			{timing, t},
			{m.Look.clean(pairs(r.Key)), usual},
			{m.Look.clean(pairs(r.Values)), usual},
		})
	}
	b := m.table(resultsPanel, m.counted(title, len(rows), all), g, width)
	switch {
	case m.resultsOf == query && m.resultsErr != nil:
		text := "not known: " + m.Look.clean(m.resultsErr.Error())
		if width > 0 {
			text = m.Look.clip(text, width-indent)
		}
		b.head = []string{"  " + m.Look.paint(bad, text)}
	case len(rows) == 0 && m.resultsOf == query:
		b.head = []string{m.Look.paint(faint, "  none so far")}
	case len(rows) == 0:
		b.head = []string{m.Look.paint(faint, "  asking")}
	}
	return b
}
