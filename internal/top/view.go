package top

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// wide is the width from which panels stand in two columns, and leftShare what
// the left one gets of it, in percent.
const (
	wide      = 140
	leftShare = 56
)

// View draws the screen.
func (m *Model) View() tea.View {
	v := tea.NewView(strings.Join(m.screen(), "\n"))
	v.AltScreen = true
	return v
}

// screen is the lines of the screen: never more, nor wider ones, than fit.
func (m *Model) screen() []string {
	width, height := max(m.width, 1), max(m.height, 1)
	lines := m.header(width)
	room := height - len(lines) - 1
	switch {
	case m.help:
		lines = append(lines, m.helpLines()...)
	case m.status == nil:
		lines = append(lines, "", "  "+m.Look.clean("Waiting for an answer from "+m.Address))
	case width >= wide:
		left := (width - gap) * leftShare / 100
		lines = append(lines, beside(
			m.column([]panel{queriesPanel, partitionsPanel, resultsPanel}, left, room), left,
			m.column([]panel{sinksPanel, whyPanel}, width-gap-left, room))...)
	default:
		lines = append(lines, m.column([]panel{queriesPanel, partitionsPanel, sinksPanel, whyPanel, resultsPanel}, width, room)...)
	}
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:height-1], m.footer())
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, width, "")
	}
	return lines
}

// beside joins two columns line by line.
func beside(left []string, width int, right []string) []string {
	var lines []string
	for i := range max(len(left), len(right)) {
		line := ""
		if i < len(left) {
			line = ansi.Truncate(left[i], width, "")
		}
		if i < len(right) {
			line += strings.Repeat(" ", max(width+gap-ansi.StringWidth(line), 0)) + right[i]
		}
		lines = append(lines, line)
	}
	return lines
}

// block is a panel that is drawn: its title, what stands fast above and below
// its rows, and the rows, of which those around the chosen one are shown.
type block struct {
	title      string
	head, tail []string
	rows       []string
	chosen     int
}

// want is how many lines it would like.
func (b *block) want() int { return 1 + len(b.head) + len(b.rows) + len(b.tail) }

// column draws panels one above the other. The one with the focus gets the
// lines it wants before the others, which follow in their order; those that get
// none are not there. So the overview is as full as the terminal allows, and
// nothing moves while everything fits.
func (m *Model) column(list []panel, width, room int) []string {
	first := 0
	for i, p := range list {
		if p == m.focus {
			first = i
		}
	}
	blocks := make([]block, len(list))
	heights := make([]int, len(list))
	const smallest = 3 // the title, a heading and a row
	for i := range list {
		at := (first + i) % len(list)
		blocks[at] = m.block(list[at], width)
		heights[at] = min(blocks[at].want(), room)
		if heights[at] < min(smallest, blocks[at].want()) && i > 0 {
			heights[at] = 0
		}
		room -= heights[at]
	}
	var lines []string
	for i, p := range list {
		lines = append(lines, m.draw(&blocks[i], p, width, heights[i])...)
	}
	return lines
}

// draw cuts a block to a height.
func (m *Model) draw(b *block, p panel, width, height int) []string {
	if height <= 0 {
		return nil
	}
	lines := append([]string{m.title(b.title, p, width)}, b.head...)
	tail := b.tail
	space := height - len(lines) - len(tail)
	if need := min(len(b.rows), 3); space < need { // rows come before the tail
		tail = tail[:max(len(tail)-(need-space), 0)]
		space = height - len(lines) - len(tail)
	}
	rows := b.rows
	if len(rows) > space && space > 0 {
		from := max(min(b.chosen-space/2, len(rows)-space), 0)
		rows = rows[from : from+space]
	}
	lines = append(append(lines, rows...), tail...)
	return lines[:min(height, len(lines))]
}

// title draws the line above a panel.
func (m *Model) title(text string, p panel, width int) string {
	dash := m.Look.either("─", "-")
	mark, t := dash+dash, faint
	if p == m.focus {
		mark, t = m.Look.either("━▶", "=>"), strong
	}
	text = m.Look.clip(string(rune('1'+p))+" "+text, width-4)
	rest := strings.Repeat(dash, max(width-widthOf(text)-4, 0))
	return m.Look.paint(faint, mark+" ") + m.Look.paint(t, text) + m.Look.paint(faint, " "+rest)
}

// footer is the line of keys, or of the filter.
func (m *Model) footer() string {
	filter := m.Look.clip(m.Look.clean(m.filter), max(m.width-40, 8))
	switch {
	case m.typing:
		return m.Look.paint(strong, "/"+filter+m.Look.either("▏", "_")) + m.Look.paint(faint, "  enter keeps it, esc drops it")
	case m.help:
		return m.Look.paint(faint, "any key goes back, q quits")
	case m.filter != "":
		return m.Look.paint(warning, "filter: "+filter) + m.Look.paint(faint, "  / changes it, esc drops it")
	default:
		return m.Look.paint(faint, "q quit  tab 1-5 panel  up/down choose  / filter  p pause  ? help")
	}
}

// helpLines explains keys and words.
func (m *Model) helpLines() []string {
	return []string{
		"",
		"  q, ctrl-c        quit                  tab, 1-5     next panel, that panel",
		"  up, down, j, k   choose a row          pgup, pgdn   ten rows",
		"  home, end        first, last row       /            show rows with a text",
		"  p, space         hold the display      esc          drop the filter",
		"",
		"  The results are those of the query that is chosen in panel 1.",
		"  watermark   how far event time has come; lag: now less the watermark",
		"  holds (*)   the partition that keeps the watermark from advancing",
		"  late        events after all of their windows were past their lateness",
		"  dead        records that are no event, or of a wrong type",
		"  open, keys  windows of one key each; keys of the fullest window",
		"  behind      epochs with rows that wait for the sink",
		"  Counters of queries are of the whole life of the state, all others of",
		"  this run. Times are UTC; rates are those between the last two answers.",
	}
}
