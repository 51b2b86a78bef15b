package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// table is one on the server, and the rows that are held for it: the last of
// each identity.
type table struct {
	name pgx.Identifier
	// key are the columns of the primary key.
	key     []string
	columns []*column
	byName  map[string]*column
	// withdraws says that rows are deleted by their key, which is one column.
	withdraws bool
	// parts are its partitions; nil without.
	parts *partitions
	// state says what of the table the server has; it is empty until inspect.
	state

	// at is where the row of an identity is, ids the other way round, gone are
	// identities whose rows are to be deleted.
	at   map[string]int
	ids  []string
	gone map[string]bool
	// bytes is about what the rows take.
	bytes int
	// upsert is the statement for the columns as they are; empty if to be made.
	upsert string
}

func newTable(name pgx.Identifier, key ...string) *table {
	return &table{name: name, key: key, byName: map[string]*column{}, at: map[string]int{}, gone: map[string]bool{}}
}

func (t *table) String() string { return strings.Join(t.name, ".") }

// want makes sure of a column. Two that want it must want the same.
func (t *table) want(name string, k kind, whose string) (*column, error) {
	if err := checkColumn(name); err != nil {
		return nil, fmt.Errorf("%s cannot be a column of table %s: %w: rename it", whose, t, err)
	}
	if c := t.byName[name]; c != nil {
		if c.kind != k {
			return nil, fmt.Errorf("column %q of table %s would be %s for %s and %s for %s: rename one of them, or give each query a table of its own with {query} in the table's name",
				name, t, kinds[c.kind].sql, c.whose, kinds[k].sql, whose)
		}
		return c, nil
	}
	c := &column{name: name, kind: k, whose: whose, cells: k.cells()}
	for range t.ids {
		c.grow()
	}
	t.columns = append(t.columns, c)
	t.byName[name] = c
	t.upsert, t.checked = "", false
	return c, nil
}

// fixed adds a column of ours, which no other can have.
func (t *table) fixed(name string, k kind, required bool) *column {
	c := &column{name: name, kind: k, whose: "a fixed column", required: required, cells: k.cells()}
	t.columns = append(t.columns, c)
	t.byName[name] = c
	return c
}

// retype gives a column that was guessed another kind.
func (c *column) retype(k kind, rows int) {
	c.kind, c.cells = k, k.cells()
	for range rows {
		c.grow()
	}
}

// row returns where to write the row of an identity: all cells are null.
func (t *table) row(id string) int {
	delete(t.gone, id)
	at, held := t.at[id]
	if !held {
		at = len(t.ids)
		t.ids = append(t.ids, id)
		t.at[id] = at
		for _, c := range t.columns {
			c.grow()
		}
		t.bytes += len(id) + 24*len(t.columns)
		return at
	}
	last := len(t.ids)
	for _, c := range t.columns {
		c.grow() // a null
		c.move(at, last)
		c.cut(last)
	}
	return at
}

// withdraw forgets the row of an identity and deletes it where it is.
func (t *table) withdraw(id string) {
	t.gone[id] = true
	t.bytes += len(id) + 24
	at, held := t.at[id]
	if !held {
		return
	}
	last := len(t.ids) - 1
	t.ids[at] = t.ids[last]
	t.at[t.ids[at]] = at
	for _, c := range t.columns {
		c.move(at, last)
		c.cut(last)
	}
	t.ids[last] = ""
	t.ids = t.ids[:last]
	delete(t.at, id)
}

// clear lets go of all rows.
func (t *table) clear() {
	for _, c := range t.columns {
		c.cut(0)
	}
	clear(t.ids)
	t.ids = t.ids[:0]
	clear(t.at)
	clear(t.gone)
	t.bytes = 0
	if t.parts != nil {
		t.parts.clear()
	}
}

// chunk is how many rows go with one statement.
const chunk = 10_000

// flush writes the rows that are held, in the transaction that is open. It can
// be called again.
func (t *table) flush(ctx context.Context, ses session) error {
	if len(t.gone) > 0 {
		if err := ses.exec(ctx, t.deleteSQL(), withdrawn(t.gone)); err != nil {
			return err
		}
	}
	args := make([]any, len(t.columns))
	for lo := 0; lo < len(t.ids); lo += chunk {
		hi := min(lo+chunk, len(t.ids))
		for i, c := range t.columns {
			args[i] = c.array(lo, hi)
		}
		if err := ses.exec(ctx, t.upsertSQL(), args...); err != nil {
			if t.parts != nil {
				err = t.parts.again(err)
			}
			return err
		}
	}
	return nil
}

func withdrawn(gone map[string]bool) []string {
	ids := make([]string, 0, len(gone))
	for id := range gone {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (t *table) deleteSQL() string {
	return "delete from " + t.name.Sanitize() + " where " + quote(t.key[0]) + " = any($1::text[])"
}

// upsertSQL takes an array for each column: one statement and one answer for any
// number of rows, without a table between.
func (t *table) upsertSQL() string {
	if t.upsert != "" {
		return t.upsert
	}
	var names, cells, arrays, sets []string
	for i, c := range t.columns {
		cell := fmt.Sprintf("r.c%d", i+1)
		names = append(names, fmt.Sprintf("c%d", i+1))
		arrays = append(arrays, fmt.Sprintf("$%d::%s", i+1, kinds[c.kind].array))
		if c.kind == document {
			cell += "::" + c.actual
		}
		cells = append(cells, cell)
		if !slices.Contains(t.key, c.name) {
			sets = append(sets, fmt.Sprintf("%s = excluded.%[1]s", quote(c.name)))
		}
	}
	t.upsert = fmt.Sprintf("insert into %s (%s) select %s from unnest(%s) as r(%s) on conflict (%s) do update set %s",
		t.name.Sanitize(), quoteAll(t.columnNames()), strings.Join(cells, ", "), strings.Join(arrays, ", "), strings.Join(names, ", "),
		quoteAll(t.key), strings.Join(sets, ", "))
	return t.upsert
}

func (t *table) columnNames() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}
