package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/llm-optimizer/processor/result"
)

// tables are all that a sink writes to.
type tables struct {
	sink *Sink
	// all has them in the order in which they are written.
	all     []*table
	results map[string]*results // by name
	late    *lateTable
	dead    *deadTable

	layouts []*layout
	// known are the layouts of queries by address. A query from the outbox is
	// not the one that was described, though it is equal.
	known map[*result.Query]*layout
}

// knownLimit bounds known: the outbox makes queries anew, time after time.
const knownLimit = 256

func newTables(s *Sink) (*tables, error) {
	t := &tables{sink: s, results: map[string]*results{}, known: map[*result.Query]*layout{}}
	switch {
	case s.Table == "" && s.LateTable == "" && s.DeadTable == "":
		return nil, errors.New("table is missing: NAME or SCHEMA.NAME")
	case s.Values != "" && s.Values != Columns && s.Values != JSONB:
		return nil, fmt.Errorf("values %q is unknown: want %s or %s", s.Values, Columns, JSONB)
	case s.PartitionBy != "" && s.PartitionBy != ByDay && s.PartitionBy != ByMonth:
		return nil, fmt.Errorf("partition_by %q is unknown: want %s or %s", s.PartitionBy, ByDay, ByMonth)
	case s.Retain < 0 || s.Retain > 0 && s.PartitionBy == "":
		return nil, errors.New("retain drops partitions: it has to be positive, and partition_by day or month")
	case s.Retain > 0 && s.NoCreate:
		return nil, errors.New("retain drops partitions, which create: false forbids: leave one of them out")
	case strings.Contains(s.LateTable+s.DeadTable+s.EpochTable, queryPart):
		return nil, fmt.Errorf("%s stands for a query in the table of results alone", queryPart)
	}
	if s.Table != "" && !strings.Contains(s.Table, queryPart) {
		if _, err := t.resultsOf(s.Table); err != nil {
			return nil, err
		}
	}
	var wrong []error
	for _, q := range s.queries {
		if s.Table == "" {
			break
		}
		if _, err := t.layoutOf(q); err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := t.side(); err != nil {
		wrong = append(wrong, err)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return t, nil
}

// side adds the tables of what is no result.
func (t *tables) side() error {
	if name := t.sink.LateTable; name != "" {
		id, err := t.free(name)
		if err != nil {
			return err
		}
		t.late = newLateTable(id)
		t.all = append(t.all, t.late.table)
	}
	if name := t.sink.DeadTable; name != "" {
		id, err := t.free(name)
		if err != nil {
			return err
		}
		t.dead = newDeadTable(id)
		t.all = append(t.all, t.dead.table)
	}
	return nil
}

// free reads a name that no other table of the sink has.
func (t *tables) free(name string) (pgx.Identifier, error) {
	id, err := tableName(name)
	if err != nil {
		return nil, err
	}
	for _, other := range t.all {
		if slices.Equal(other.name, id) {
			return nil, fmt.Errorf("table %s is asked for twice, for rows of different kinds: give them different names", name)
		}
	}
	return id, nil
}

// resultsOf returns the table of a name.
func (t *tables) resultsOf(name string) (*results, error) {
	if r := t.results[name]; r != nil {
		return r, nil
	}
	id, err := t.free(name)
	if err != nil {
		return nil, err
	}
	r := newResults(id, t.sink)
	t.results[name] = r
	t.all = append(t.all, r.table)
	return r, nil
}

// layout returns how the row of a query goes into its table. fresh says that
// the table may not fit yet.
func (t *tables) layout(r *result.Result) (lay *layout, fresh bool, err error) {
	lay = t.known[r.Query]
	if lay == nil {
		if t.sink.Table == "" {
			return nil, false, fmt.Errorf("a result of query %s has no table: set table", r.Query.Name)
		}
		if lay, err = t.layoutOf(r.Query); err != nil {
			return nil, false, err
		}
		if len(t.known) >= knownLimit {
			clear(t.known)
		}
		t.known[r.Query] = lay
	}
	if len(r.Sketches) > 0 && lay.sketches == nil {
		if lay.sketches, err = lay.table.want("sketches", document, "the sketches of query "+r.Query.Name); err != nil {
			return nil, false, err
		}
	}
	return lay, !lay.table.checked, nil
}

// layoutOf finds the layout of an equal query, or makes one.
func (t *tables) layoutOf(q *result.Query) (*layout, error) {
	for _, lay := range t.layouts {
		if lay.query.Name == q.Name && slices.Equal(lay.query.Keys, q.Keys) && slices.Equal(lay.query.Values, q.Values) {
			return lay, nil
		}
	}
	r, err := t.resultsOf(strings.ReplaceAll(t.sink.Table, queryPart, q.Name))
	if err != nil {
		return nil, err
	}
	lay, err := r.layout(q)
	if err != nil {
		return nil, err
	}
	t.layouts = append(t.layouts, lay)
	return lay, nil
}

// size is about what the rows that are held take.
func (t *tables) size() (n int) {
	for _, table := range t.all {
		n += table.bytes
	}
	return n
}

func (t *tables) flush(ctx context.Context, ses session) error {
	for _, table := range t.all {
		if err := table.flush(ctx, ses); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes sure that the rows that are held have a place; see
// partitions.prepare.
func (t *tables) prepare(ctx context.Context, ses session, open bool) error {
	for _, table := range t.all {
		if table.parts == nil {
			continue
		}
		if err := table.parts.prepare(ctx, ses, open); err != nil {
			return err
		}
	}
	return nil
}

func (t *tables) clear() {
	for _, table := range t.all {
		table.clear()
	}
}

// inspect compares all tables with what the server has.
func (t *tables) inspect(ctx context.Context, ses session) error {
	if err := checkEncoding(ctx, ses); err != nil {
		return err
	}
	for _, table := range t.all {
		if table.checked {
			continue
		}
		if err := table.inspect(ctx, ses); err != nil {
			return err
		}
		if list := table.missing(); len(list) > 0 && t.sink.NoCreate {
			return fatal("table %s lacks something and create is off: run %s", table, strings.Join(list, "; "))
		}
	}
	return nil
}

func checkEncoding(ctx context.Context, ses session) error {
	encoding, err := rows(ctx, ses, pgx.RowTo[string], "select current_setting('server_encoding')")
	if err != nil {
		return err
	}
	if encoding[0] != "UTF8" {
		return fatal("the database has the encoding %s, which cannot hold every text: create one with ENCODING 'UTF8'", encoding[0])
	}
	return nil
}

// createLock makes processors create tables one after the other: two CREATE
// TABLE IF NOT EXISTS at once can fail. It is the number of an advisory lock.
const createLock = 0x70726f636573736f

// create makes the tables fit, which inspect has found out how.
func (t *tables) create(ctx context.Context, ses session) error {
	if !slices.ContainsFunc(t.all, func(table *table) bool { return !table.checked && len(table.missing()) > 0 }) {
		t.settle()
		return nil
	}
	// A reader that holds up an ALTER TABLE holds up all that come after it.
	if err := ses.begin(ctx, lockPatience); err != nil {
		return err
	}
	if err := t.amend(ctx, ses); err != nil {
		return err
	}
	if err := ses.commit(ctx); err != nil {
		return err
	}
	t.settle()
	return nil
}

// amend runs what is missing in the transaction that is open.
func (t *tables) amend(ctx context.Context, ses session) error {
	if err := ses.exec(ctx, fmt.Sprintf("select pg_advisory_xact_lock(%d)", createLock)); err != nil {
		return err
	}
	// Another one may have been here in the meantime.
	if err := t.inspect(ctx, ses); err != nil {
		return err
	}
	for _, table := range t.all {
		if table.checked {
			continue
		}
		for _, sql := range table.missing() {
			if err := ses.exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
	}
	return t.inspect(ctx, ses)
}

// settle takes note that all tables fit.
func (t *tables) settle() {
	for _, table := range t.all {
		table.checked = true
	}
}
