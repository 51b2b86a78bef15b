package top

import (
	"fmt"
	"strconv"

	"github.com/llm-optimizer/processor/pipeline"
)

// block makes a panel ready to be drawn; width 0 is any.
func (m *Model) block(p panel, width int) block {
	switch p {
	case queriesPanel:
		return m.queriesBlock(width)
	case partitionsPanel:
		return m.partitionsBlock(width)
	case sinksPanel:
		return m.sinksBlock(width)
	case whyPanel:
		return m.whyBlock(width)
	default:
		return m.resultsBlock(width)
	}
}

// table makes a block of a grid. A mark is on the chosen row of the panel with
// the focus, and on the chosen query always: the results are its.
func (m *Model) table(p panel, title string, g grid, width int) block {
	at := m.row(p, len(g.rows))
	marked := -1
	if p == m.focus || p == queriesPanel && m.focus != panels {
		marked = at
	}
	head, rows := g.lines(m.Look, width, marked, p == m.focus)
	return block{title: title, head: []string{head}, rows: rows, chosen: at}
}

// counted is a title with how many rows there are, of how many.
func (m *Model) counted(title string, shown, all int) string {
	if shown != all {
		return fmt.Sprintf("%s (%s of %s)", title, count(int64(shown)), count(int64(all)))
	}
	return fmt.Sprintf("%s (%s)", title, count(int64(all)))
}

func (m *Model) queriesBlock(width int) block {
	g := grid{columns: []column{
		{"query", text, 0}, {"read/s", number, 0}, {"results/s", number, 0}, {"late", number, 0}, {"dead", number, 0},
		{"filtered", number, 1}, {"open", number, 0}, {"keys", number, 2}, {"memory", number, 3}, {"window", text, 4},
	}}
	list := m.queries()
	for i := range list {
		q := &list[i]
		g.rows = append(g.rows, []cell{
			{m.Look.clean(q.Name), strong},
			{rate(of(m.rates.read, q.Name)), usual},
			{rate(of(m.rates.fired, q.Name)), usual},
			{short(q.Ledger.Late), toneOf(q.Ledger.Late)},
			{short(q.Ledger.Dead), toneOf(q.Ledger.Dead)},
			{short(q.Ledger.Filtered), usual},
			{short(q.OpenWindows), usual},
			{short(q.LiveKeys), usual},
			{Bytes(q.StateBytes), usual},
			{m.Look.clean(q.Window), faint},
		})
	}
	return m.table(queriesPanel, m.counted("Queries", len(list), len(m.status.Queries)), g, width)
}

func (m *Model) partitionsBlock(width int) block {
	g := grid{columns: []column{
		{"partition", place, 0}, {"", text, 0}, {"status", text, 0}, {"events/s", number, 2}, {"watermark lag", number, 0},
		{"behind", number, 0}, {"lag", number, 1}, {"position", number, 3}, {"newest event", text, 4},
	}}
	now, list := m.status.Now, m.partitions()
	for i := range list {
		p := &list[i]
		holds, lag, behind, late := "", watermarkLag(p.Watermark, now), "-", "-"
		if p.Holds {
			holds = "*"
		}
		if lag == "" {
			lag = dateTime(p.Watermark)
		}
		if p.LagRecords != nil {
			behind = short(*p.LagRecords)
		}
		if p.LagSeconds != nil {
			late = seconds(*p.LagSeconds)
		}
		g.rows = append(g.rows, []cell{
			{m.Look.clean(p.Name), usual},
			{holds, warning},
			{m.Look.clean(p.Status), statusTone(p.Status)},
			{rate(of(m.rates.records, p.Name)), usual},
			{lag, usual},
			{behind, usual},
			{late, usual},
			{count(p.Position), usual},
			{dateTime(p.NewestEvent), faint},
		})
	}
	return m.table(partitionsPanel, m.counted("Partitions", len(list), len(m.status.Partitions)), g, width)
}

func statusTone(status string) tone {
	switch status {
	case "active":
		return good
	case "ahead", "waiting":
		return warning
	default:
		return faint
	}
}

func (m *Model) sinksBlock(width int) block {
	g := grid{columns: []column{
		{"sink", text, 0}, {"kind", text, 3}, {"rows/s", number, 0}, {"rows", number, 2}, {"epoch", number, 1}, {"behind", number, 0},
		{"queued", number, 4}, {"retries", number, 1}, {"trouble", text, 0},
	}}
	list := m.sinks()
	for i := range list {
		s := &list[i]
		trouble, t := m.sinkTrouble(s)
		g.rows = append(g.rows, []cell{
			{m.Look.clean(s.Name), usual},
			{m.Look.clean(s.Kind), faint},
			{rate(of(m.rates.rows, s.Name)), usual},
			{short(s.Rows), usual},
			{strconv.FormatUint(s.Epoch, 10), usual},
			{short(int64(s.Behind)), toneOf(int64(s.Behind - 1))}, // one is on its way
			{short(int64(s.Queued)), usual},
			{short(s.Retries), toneOf(s.Retries)},
			{trouble, t},
		})
	}
	b := m.table(sinksPanel, m.counted("Sinks", len(list), len(m.status.Sinks))+", state", g, width)
	b.tail = m.stateLines(width)
	return b
}

// sinkTrouble says whether a sink takes rows; the header says why it does not.
func (m *Model) sinkTrouble(s *pipeline.SinkStatus) (text string, t tone) {
	switch {
	case s.Failed:
		return "failed for good", bad
	case s.Trouble.Since != nil:
		return "since " + clockTime(*s.Trouble.Since, m.status.Now), bad
	default:
		return "none", good
	}
}

// stateLines tell of the durable state.
func (m *Model) stateLines(width int) []string {
	st, now := m.status.State, m.status.Now
	if st == nil {
		return []string{m.Look.paint(faint, "  state in memory: nothing outlives the process")}
	}
	outbox := Bytes(st.OutboxBytes)
	t := usual
	if st.OutboxLimit > 0 {
		full := float64(st.OutboxBytes) / float64(st.OutboxLimit)
		outbox += fmt.Sprintf(" of %s (%.0f%%)", Bytes(st.OutboxLimit), 100*full)
		if full >= 0.8 {
			t = bad
		}
	}
	store := ""
	if st.StoreBytes >= 0 {
		store = "  store " + Bytes(st.StoreBytes)
	}
	made, failed := "none in this run", ""
	if st.CheckpointTime != nil {
		made = ago(*st.CheckpointTime, now) + " ago, " + count(st.Checkpoints) + " in this run"
	}
	if st.CheckpointFailures > 0 {
		failed = ", " + count(st.CheckpointFailures) + " failed"
	}
	epoch := fmt.Sprintf("epoch %d  %s ago  took %s, stalled %s  %s changes, %s", st.Epoch, ago(st.EpochTime, now),
		seconds(st.EpochSeconds), seconds(st.StallSeconds), short(st.EpochChanges), Bytes(st.EpochBytes))
	lines := []cell{
		{epoch, usual},
		{"outbox " + outbox, t},
		{"checkpoint " + m.Look.clean(orDash(st.Checkpoint)) + "  " + made, usual},
		{"state " + m.Look.clean(st.Store) + store, faint},
	}
	if failed != "" {
		lines[2].text, lines[2].tone = lines[2].text+failed, bad
	}
	var drawn []string
	for _, c := range lines {
		text := c.text
		if width > 0 {
			text = m.Look.clip(text, width-indent)
		}
		drawn = append(drawn, "  "+m.Look.paint(c.tone, text))
	}
	return drawn
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
