package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/llm-optimizer/processor/event"
)

// kind is what a column holds.
type kind uint8

const (
	text     kind = iota
	number        // of any size, as a float64
	count         // whole, all 64 bits
	moment        // of event time or the wall clock
	flag          // true or false
	document      // JSON
	identity      // 16 bytes
)

var kinds = [...]struct {
	// sql is the type of a column that we create.
	sql string
	// array is the type of the cells on their way to the server.
	array string
	// fits are the types of columns that others have created.
	fits []string
}{
	text:     {"text", "text[]", []string{"text", "character varying"}},
	number:   {"double precision", "double precision[]", []string{"double precision", "numeric"}},
	count:    {"bigint", "bigint[]", []string{"bigint", "numeric", "double precision"}},
	moment:   {"timestamptz", "timestamptz[]", []string{"timestamp with time zone"}},
	flag:     {"boolean", "boolean[]", []string{"boolean"}},
	document: {"jsonb", "text[]", []string{"jsonb", "json"}},
	identity: {"uuid", "uuid[]", []string{"uuid"}},
}

// fits reports whether a column of the server's type takes the cells. A varchar
// of any length does: what is too long for it is the server's to refuse.
func (k kind) fits(actual string) bool {
	if k == text && strings.HasPrefix(actual, "character varying(") {
		return true
	}
	return slices.Contains(kinds[k].fits, actual)
}

// kindOf is the kind of an aggregate's values, by its function. What is not
// known, as a function written by a user, may be anything.
func kindOf(function string) (k kind, known bool) {
	switch function {
	case "count", "distinct":
		return count, true
	case "sum", "avg", "min", "max", "stddev", "stddev_samp", "variance", "var_samp", "percentile", "rate":
		return number, true
	case "first", "last":
		return text, true
	case "top_k", "custom":
		return document, true
	default:
		return document, false
	}
}

// column is one of a table, with the cells of the rows that are held.
type column struct {
	name string
	kind kind
	// whose says who wants it: "a key of query q".
	whose string
	// required cells are never null.
	required bool
	// guessed says that the kind is not known: the table's own is taken.
	guessed bool
	// actual is the type on the server; empty if the column is missing there.
	actual string

	cells
}

// cells are the values of a column, row by row.
type cells interface {
	grow()
	// move copies a cell over another.
	move(to, from int)
	// cut leaves the first n cells.
	cut(n int)
	// array are the cells [lo, hi) as an argument.
	array(lo, hi int) any
}

type cellsOf[T any] []T

func (c *cellsOf[T]) grow() {
	var null T
	*c = append(*c, null)
}

func (c *cellsOf[T]) move(to, from int) { (*c)[to] = (*c)[from] }

func (c *cellsOf[T]) cut(n int) {
	clear((*c)[n:])
	*c = (*c)[:n]
}

func (c *cellsOf[T]) array(lo, hi int) any { return pgtype.FlatArray[T]((*c)[lo:hi]) }

func (k kind) cells() cells {
	switch k {
	case number:
		return new(cellsOf[pgtype.Float8])
	case count:
		return new(cellsOf[pgtype.Int8])
	case moment:
		return new(cellsOf[pgtype.Timestamptz])
	case flag:
		return new(cellsOf[pgtype.Bool])
	default:
		return new(cellsOf[pgtype.Text])
	}
}

func (c *column) setText(row int, s string) {
	(*c.cells.(*cellsOf[pgtype.Text]))[row] = pgtype.Text{String: clean(s), Valid: true}
}

func (c *column) setJSON(row int, json []byte) {
	(*c.cells.(*cellsOf[pgtype.Text]))[row] = pgtype.Text{String: cleanJSON(json), Valid: true}
}

func (c *column) setInt(row int, i int64) {
	(*c.cells.(*cellsOf[pgtype.Int8]))[row] = pgtype.Int8{Int64: i, Valid: true}
}

func (c *column) setFloat(row int, f float64) {
	(*c.cells.(*cellsOf[pgtype.Float8]))[row] = pgtype.Float8{Float64: f, Valid: true}
}

func (c *column) setBool(row int, b bool) {
	(*c.cells.(*cellsOf[pgtype.Bool]))[row] = pgtype.Bool{Bool: b, Valid: true}
}

// setTime leaves null for the ends of a global window and a watermark that does
// not exist yet. The server keeps microseconds: what is finer is cut off.
func (c *column) setTime(row int, t int64) {
	if t == event.MinTime || t == event.MaxTime {
		return
	}
	(*c.cells.(*cellsOf[pgtype.Timestamptz]))[row] = pgtype.Timestamptz{Time: time.Unix(0, t), Valid: true}
}

// setValue puts a value in as the column's kind has it, null as null.
func (c *column) setValue(row int, v event.Value) error {
	switch {
	case v.Kind == event.Null || v.Kind == event.Invalid:
		return nil
	case c.kind == document:
		c.setJSON(row, v.AppendJSON(nil))
	case c.kind == text && v.Kind == event.String:
		c.setText(row, v.Str)
	case c.kind == text:
		c.setText(row, string(v.AppendJSON(nil)))
	case c.kind == number && v.Kind.IsNumber():
		c.setFloat(row, v.Num)
	case c.kind == count && v.Kind.IsNumber():
		i, err := strconv.ParseInt(string(v.AppendJSON(nil)), 10, 64)
		if err != nil {
			return c.misfit(v)
		}
		c.setInt(row, i)
	default:
		return c.misfit(v)
	}
	return nil
}

func (c *column) misfit(v event.Value) error {
	return fmt.Errorf("column %q is %s and cannot hold %.80s, %s: rename the value, or change the column's type",
		c.name, kinds[c.kind].sql, v.AppendJSON(nil), c.whose)
}

// replacement stands for what a text of the server cannot hold.
const replacement = "\ufffd"

// clean replaces zero bytes, which no text of the server can hold, and what is
// not UTF-8.
func clean(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", replacement)
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, replacement)
	}
	return s
}

// cleanJSON replaces the escape \u0000, which jsonb refuses, and what is not
// UTF-8.
func cleanJSON(json []byte) string {
	const zero = `\u0000`
	s := string(json)
	if !strings.Contains(s, zero) {
		return clean(s)
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			b.WriteString(s)
			return clean(b.String())
		}
		b.WriteString(s[:i])
		if s = s[i:]; strings.HasPrefix(s, zero) {
			b.WriteString(replacement)
			s = s[len(zero):]
			continue
		}
		b.WriteString(s[:2]) // an escape, also of a backslash
		s = s[2:]
	}
}
