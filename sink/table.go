package sink

import (
	"cmp"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

const (
	// headerEvery is after how many rows the header is shown again: about a
	// screen.
	headerEvery = 30
	// maxCell is the width at which a cell is cut.
	maxCell = 40
	// maxRaw is the width at which the raw text of a late event or a dead
	// letter is cut.
	maxRaw = 100
)

// table lays results out in columns. Each query has widths of its own, which
// only grow, so that rows stay below each other; a header comes when the
// query or the day changes, when a column had to grow, and every screen.
type table struct {
	meta    bool
	layouts map[string]*layout // by the query's name

	// What the last header was for.
	current *layout
	day     int64
	rows    int

	order []*layout // queries of the batch, by first row
	index []int     // results of the batch, sorted for people
	keys  []event.Value
}

// layout is the columns of one query: the query's name, window, keys, values,
// and a column without a header for what is unusual about a row.
type layout struct {
	query  *result.Query
	header []string
	widths []int
	// cells are the rows of the current batch, len(header)+1 for each; days
	// are their days, for the header.
	cells []string
	days  []int64
	grew  bool
}

func newTable(meta bool) *table {
	return &table{meta: meta, layouts: map[string]*layout{}}
}

// append appends the batch as lines of text.
func (t *table) append(dst []byte, b *result.Batch) []byte {
	t.order = t.order[:0]
	for _, i := range t.sorted(b.Results) {
		t.add(&b.Results[i])
	}
	for _, l := range t.order {
		dst = t.appendRows(dst, l)
	}
	for i := range b.Late {
		dst = appendLate(dst, &b.Late[i])
	}
	for i := range b.Dead {
		dst = appendDead(dst, &b.Dead[i])
	}
	return dst
}

// sorted is the places of the results by window, then key; firings of one
// window and key keep their order.
func (t *table) sorted(rows []result.Result) []int {
	t.index = t.index[:0]
	for i := range rows {
		t.index = append(t.index, i)
	}
	slices.SortStableFunc(t.index, func(a, b int) int {
		x, y := &rows[a], &rows[b]
		return cmp.Or(cmp.Compare(x.End, y.End), cmp.Compare(x.Start, y.Start), cmp.Compare(x.KeyJSON, y.KeyJSON))
	})
	return t.index
}

func (t *table) layout(q *result.Query) *layout {
	if l := t.layouts[q.Name]; l != nil {
		return l
	}
	l := &layout{query: q, header: []string{"query", "window"}}
	for _, name := range q.Keys {
		l.header = append(l.header, cell(name))
	}
	for _, name := range q.Values {
		l.header = append(l.header, cell(name))
	}
	l.widths = make([]int, len(l.header))
	l.widen(l.header)
	l.widths[1] = len("2006-01-02 UTC") // the header's form of "window"
	t.layouts[q.Name] = l
	return l
}

// widen makes the columns wide enough for a row.
func (l *layout) widen(row []string) {
	for i := range l.widths {
		if w := utf8.RuneCountInString(row[i]); w > l.widths[i] {
			l.widths[i], l.grew = w, true
		}
	}
}

// add turns a result into cells.
func (t *table) add(r *result.Result) {
	l := t.layout(r.Query)
	if len(l.cells) == 0 {
		t.order = append(t.order, l)
	}
	from := len(l.cells)
	l.cells = append(l.cells, cell(r.Query.Name), window(r.Start, r.End))
	keys, err := event.KeyFields(t.keys[:0], []byte(r.Key), len(r.Query.Keys))
	t.keys = keys[:0]
	for i := range r.Query.Keys {
		text := "?"
		if err == nil {
			text = value(keys[i])
		}
		l.cells = append(l.cells, text)
	}
	for i := range r.Query.Values {
		text := "-"
		if i < len(r.Values) {
			text = value(r.Values[i])
		}
		l.cells = append(l.cells, text)
	}
	l.widen(l.cells[from:])
	l.cells = append(l.cells, t.remarks(r))
	l.days = append(l.days, day(r.Start))
}

// remarks says what is unusual about a firing.
func (t *table) remarks(r *result.Result) string {
	var out []byte
	if r.Timing != result.OnTime || r.Firing != 0 {
		out = append(out, r.Timing.String()...)
		out = strconv.AppendUint(append(out, " #"...), uint64(r.Firing), 10)
	}
	if r.Partial {
		out = append(separated(out), "partial"...)
	}
	if t.meta {
		out = strconv.AppendInt(append(separated(out), "events="...), r.Events, 10)
		out = append(append(out, " watermark="...), instant(r.Watermark)...)
	}
	return string(out)
}

func separated(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	return append(b, "  "...)
}

// appendRows appends the rows collected for a query.
func (t *table) appendRows(dst []byte, l *layout) []byte {
	n := len(l.header) + 1
	for i, d := range l.days {
		if t.current != l || t.day != d || l.grew || t.rows >= headerEvery {
			if t.current != nil {
				dst = append(dst, '\n')
			}
			t.current, t.day, t.rows, l.grew = l, d, 0, false
			dst = l.appendHeader(dst, d)
		}
		dst = l.appendLine(dst, l.cells[i*n:(i+1)*n])
		t.rows++
	}
	l.cells, l.days = l.cells[:0], l.days[:0]
	return dst
}

func (l *layout) appendHeader(dst []byte, day int64) []byte {
	row := append([]string{}, l.header...)
	if day != noDay {
		row[1] = string(event.AppendTime(nil, day*nanosPerDay)[:len("2006-01-02")]) + " UTC"
	}
	return l.appendLine(dst, append(row, ""))
}

// appendLine appends a row: names and keys to the left, values to the right.
func (l *layout) appendLine(dst []byte, row []string) []byte {
	left := 2 + len(l.query.Keys)
	for i, w := range l.widths {
		if i > 0 {
			dst = append(dst, "  "...)
		}
		pad := w - utf8.RuneCountInString(row[i])
		if i < left {
			dst = appendSpaces(append(dst, row[i]...), pad)
		} else {
			dst = append(appendSpaces(dst, pad), row[i]...)
		}
	}
	if remark := row[len(l.widths)]; remark != "" {
		dst = append(append(dst, "  "...), remark...)
	}
	for len(dst) > 0 && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '\n')
}

func appendSpaces(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, ' ')
	}
	return dst
}

// appendLate appends a late event as one line.
func appendLate(dst []byte, l *result.LateEvent) []byte {
	dst = append(append(dst, "late event  "...), cell(l.Query)...)
	dst = append(append(dst, "  "...), instant(l.Timestamp)...)
	dst = append(append(dst, ", watermark "...), instant(l.Watermark)...)
	dst = appendPlace(append(dst, "  "...), &l.Source)
	dst = append(append(dst, "  "...), cut(string(l.Event), maxRaw)...)
	return append(dst, '\n')
}

// appendDead appends a dead letter as one line.
func appendDead(dst []byte, d *result.DeadLetter) []byte {
	dst = append(append(dst, "dead letter  "...), cell(d.Reason)...)
	dst = appendPlace(append(dst, "  "...), &d.Source)
	dst = append(append(dst, "  "...), cut(d.Err, maxRaw)...)
	dst = append(append(dst, "  "...), cut(string(d.Raw), maxRaw)...)
	return append(dst, '\n')
}

func appendPlace(dst []byte, s *result.Source) []byte {
	name := s.Path
	if s.Topic != "" {
		name = s.Topic
	}
	dst = append(dst, cut(name, maxRaw)...)
	dst = strconv.AppendInt(append(dst, '/'), int64(s.Partition), 10)
	return strconv.AppendInt(append(dst, '@'), s.Offset, 10)
}
