package top

import "strings"

const (
	// gap is between columns, indent before the first: room for the mark of
	// the chosen row.
	gap    = 2
	indent = 2
	// readable is the width down to which a column of text is narrowed before
	// columns of numbers are left out.
	readable = 16
	least    = 6
)

// column is a column of a grid. Text is flush left and may be narrowed,
// numbers are flush right.
type column struct {
	title string
	kind  kind
	// drop says how soon the column is left out where room is short: the
	// greatest first, 0 never.
	drop int
}

// kind is how a column is laid out.
type kind int

const (
	number kind = iota
	text
	place // a text whose end tells more than its beginning
)

// cell is one clean text of a grid.
type cell struct {
	text string
	tone tone
}

// grid is a table that fits itself into a width.
type grid struct {
	columns []column
	rows    [][]cell
}

// lines draws the heading and the rows; width 0 is any. marked is the row with
// the mark, -1 for none, and lit says that its whole line is lit up.
func (g grid) lines(l Look, width, marked int, lit bool) (head string, rows []string) {
	widths := g.fit(width)
	heading := make([]cell, len(g.columns))
	for i, c := range g.columns {
		heading[i] = cell{c.title, faint}
	}
	head = g.line(l, widths, heading, false, false)
	for i, row := range g.rows {
		rows = append(rows, g.line(l, widths, row, i == marked, lit && i == marked))
	}
	return head, rows
}

// fit is how wide each column is: 0 for those that are left out.
func (g grid) fit(width int) []int {
	natural := make([]int, len(g.columns))
	for i, c := range g.columns {
		natural[i] = widthOf(c.title)
		for _, row := range g.rows {
			natural[i] = max(natural[i], widthOf(row[i].text))
		}
	}
	if width <= 0 {
		return natural
	}
	for {
		widths := g.narrowed(natural, width, readable)
		if total(widths) <= width {
			return widths
		}
		last := -1
		for i, c := range g.columns {
			if natural[i] > 0 && c.drop > 0 && (last < 0 || c.drop > g.columns[last].drop) {
				last = i
			}
		}
		if last < 0 {
			return g.narrowed(natural, width, least)
		}
		natural[last] = 0
	}
}

// narrowed takes from the widest column of text, down to a limit, until the
// whole fits.
func (g grid) narrowed(natural []int, width, limit int) []int {
	widths := append([]int(nil), natural...)
	for over := total(widths) - width; over > 0; over-- {
		widest := -1
		for i, c := range g.columns {
			if c.kind != number && widths[i] > limit && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// total is the width of a line.
func total(widths []int) int {
	sum := indent - gap
	for _, w := range widths {
		if w > 0 {
			sum += w + gap
		}
	}
	return sum
}

// line draws a row.
func (g grid) line(l Look, widths []int, row []cell, marked, lit bool) string {
	var b strings.Builder
	mark := strings.Repeat(" ", indent)
	if marked {
		mark = l.either("▸ ", "> ")
	}
	b.WriteString(mark)
	first := true
	for i, c := range row {
		if widths[i] == 0 {
			continue
		}
		if !first {
			b.WriteString(strings.Repeat(" ", gap))
		}
		first = false
		content := c.text
		if g.columns[i].kind == place {
			content = l.clipFront(content, widths[i])
		}
		content = l.pad(content, widths[i], g.columns[i].kind == number)
		if !lit {
			content = l.paint(c.tone, content)
		}
		b.WriteString(content)
	}
	if lit {
		return l.paint(chosen, b.String())
	}
	return b.String()
}
