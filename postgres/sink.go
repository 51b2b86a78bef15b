package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
	"github.com/llm-optimizer/processor/sink"
)

// The forms of Sink.Values.
const (
	// Columns makes each aggregate a column.
	Columns = "columns"
	// JSONB puts all aggregates of a row into one column, "values".
	JSONB = "jsonb"
)

// Sink writes rows to tables of one database. The zero values of its settings
// are the defaults; URL and one of the tables are required. One goroutine uses
// it; only Trouble and Retries may be called by others.
type Sink struct {
	// URL is postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full,
	// with several hosts if need be, or the same as key=value pairs. What it
	// leaves out is taken from the PG… variables of the environment.
	URL secret.Text
	// Table is where results go: NAME or SCHEMA.NAME, exactly as written, also
	// in capitals. With {query} in it each query has a table of its own;
	// otherwise the table has the columns of all queries, null where a query
	// has none of that name.
	Table string
	// LateTable and DeadTable are where late events and dead letters go. A sink
	// that is given rows for which it has no table returns an error.
	LateTable, DeadTable string
	// History keeps every firing, retractions too, under its id. Without it
	// there is one row for each query, key and window under its window_id.
	History bool
	// Values is Columns, the default, or JSONB.
	Values string
	// Meta adds the columns events, watermark and emitted_at.
	Meta bool
	// NoCreate leaves the tables as they are: what is missing is an error that
	// shows the statements to run. Without it they are created, and columns of
	// new aggregates are added.
	NoCreate bool
	// PartitionBy is ByDay or ByMonth: the tables of results are partitioned by
	// the UTC day or month in which windows begin, and partitions are created as
	// rows need them. Only queries whose windows keep their bounds can be written
	// then: no sessions and no global windows. "" is one table.
	PartitionBy string
	// Retain drops the partitions of windows that began longer ago than that, in
	// event time; 0 keeps all.
	Retain time.Duration
	// EpochTable is where marks are kept; the default is processor_epochs in
	// the schema of the first table.
	EpochTable string
	// AtOnce makes rows visible when they are written and not with their epoch,
	// for pipelines that deliver at least once.
	AtOnce bool
	// Pipeline and Name identify the sink's row in the epoch table, and
	// application_name on the server.
	Pipeline, Name string

	trouble sink.Troubles
	queries []*result.Query
	tables  *tables
	link    *link
	place   *place // nil without marks
	started bool
	closed  bool
	// open says that a transaction is under way that holds rows which are no
	// longer in memory.
	open bool
	// spillAt is how many bytes of rows are held in memory before they are put
	// into the transaction of their epoch; 0 means spillSize.
	spillAt int
}

var (
	_ sink.Marker    = (*Sink)(nil)
	_ sink.Starter   = (*Sink)(nil)
	_ sink.Describer = (*Sink)(nil)
	_ sink.Joiner    = (*Sink)(nil)
	_ sink.Replacer  = (*Sink)(nil)
	_ sink.Bounder   = (*Sink)(nil)
	_ sink.Reporter  = (*Sink)(nil)
)

// spillSize is enough for the rows of almost any epoch, so that almost any can
// be written again when a connection breaks.
const spillSize = 64 << 20

// startPatience is how long a server may take to answer at the start. While the
// pipeline runs the sink tries without end.
const startPatience = 30 * time.Second

// Describe tells the queries whose results will be written. Without it their
// columns are found out from the rows.
func (s *Sink) Describe(queries []*result.Query) error {
	s.queries = queries
	_, err := newTables(s)
	return err
}

// Replaces reports whether a later firing takes the place of an earlier one.
func (s *Sink) Replaces() bool { return !s.History }

// FixedBounds reports whether tables are partitioned by when windows begin.
func (s *Sink) FixedBounds() bool { return s.PartitionBy != "" }

// Join takes over the late events or dead letters of another Sink on the same
// database, which then come in the transactions of this one.
func (s *Sink) Join(rows sink.Rows, other sink.Sink) bool {
	o, ok := other.(*Sink)
	if !ok || o.URL != s.URL || o.NoCreate != s.NoCreate || o.AtOnce != s.AtOnce || o.EpochTable != s.EpochTable {
		return false
	}
	switch {
	case rows == sink.LateEvents && s.LateTable == "" && o.LateTable != "":
		s.LateTable = o.LateTable
	case rows == sink.DeadLetters && s.DeadTable == "" && o.DeadTable != "":
		s.DeadTable = o.DeadTable
	default:
		return false
	}
	return true
}

// Trouble returns what the server said last and since when it has not taken
// rows, or nil while all is well.
func (s *Sink) Trouble() (since time.Time, err error) {
	return s.trouble.Trouble()
}

// Retries is how often something had to be tried once more.
func (s *Sink) Retries() int64 { return s.trouble.Retries() }

// Open connects and compares the tables with what the rows need. It changes
// nothing in the database.
func (s *Sink) Open(ctx context.Context) error {
	var err error
	if s.tables, err = newTables(s); err != nil {
		return fmt.Errorf("open postgres sink: %w", err)
	}
	if s.link, err = newLink(s); err != nil {
		return fmt.Errorf("open postgres sink: %w", err)
	}
	ctx, cancel := atStart(ctx)
	defer cancel()
	return s.link.do(ctx, "open "+s.link.name, func(ses session) error { return s.tables.inspect(ctx, ses) })
}

// atStart bounds what a start waits for.
func atStart(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, startPatience, fmt.Errorf("no success within %v", startPatience))
}

// Start creates what is missing and takes the sink's place over from any other
// instance. It is called by the first Write where nobody called it before.
func (s *Sink) Start(ctx context.Context) error {
	if err := s.usable(); err != nil || s.started {
		return err
	}
	ctx, cancel := atStart(ctx)
	defer cancel()
	if err := s.link.do(ctx, "prepare the tables of "+s.link.name, func(ses session) error { return s.tables.create(ctx, ses) }); err != nil {
		return err
	}
	if s.place != nil {
		if err := s.claim(ctx); err != nil {
			return err
		}
	}
	s.started = true
	return nil
}

func (s *Sink) usable() error {
	switch {
	case s.link == nil:
		return errors.New("postgres sink: it is not open")
	case s.closed:
		return errors.New("postgres sink: it is closed")
	}
	return nil
}

// Write keeps the rows for the Commit of their epoch. Without marks, or with
// AtOnce, it writes them in a transaction of their own.
func (s *Sink) Write(ctx context.Context, b *result.Batch) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	if err := s.take(ctx, b); err != nil {
		return fmt.Errorf("write to %s: %w", s.link.name, err)
	}
	switch {
	case s.tables.size() == 0:
		return nil
	case s.place == nil || s.AtOnce:
		return s.writeNow(ctx)
	case s.tables.size() >= s.limit():
		return s.spill(ctx)
	}
	return nil
}

func (s *Sink) limit() int {
	if s.spillAt > 0 {
		return s.spillAt
	}
	return spillSize
}

// take puts a batch into the buffers of the tables.
func (s *Sink) take(ctx context.Context, b *result.Batch) error {
	for i := range b.Results {
		r := &b.Results[i]
		lay, err := s.layout(ctx, r)
		if err != nil {
			return err
		}
		if err := lay.put(r); err != nil {
			return err
		}
	}
	if err := s.tables.putLate(b.Late); err != nil {
		return err
	}
	return s.tables.putDead(b.Dead)
}

// layout returns how a row goes into its table, which it makes fit if it is of a
// query that was not described.
func (s *Sink) layout(ctx context.Context, r *result.Result) (*layout, error) {
	lay, fresh, err := s.tables.layout(r)
	if err != nil || !fresh {
		return lay, err
	}
	if s.open {
		// The table is locked by the transaction that is open, so it has to be
		// that one.
		if err := s.tables.amend(ctx, session{s.link.conn}); err != nil {
			return nil, s.lostRows(ctx, err)
		}
		s.tables.settle()
		return lay, nil
	}
	err = s.link.do(ctx, "prepare table "+lay.table.String()+" of "+s.link.name, func(ses session) error {
		if err := s.tables.inspect(ctx, ses); err != nil {
			return err
		}
		return s.tables.create(ctx, ses)
	})
	return lay, err
}

// writeNow writes what is held in a transaction of its own. Its outcome may be
// unclear, then it is repeated, which changes nothing.
func (s *Sink) writeNow(ctx context.Context) error {
	err := s.link.do(ctx, "write to "+s.link.name, func(ses session) error {
		if err := s.tables.prepare(ctx, ses, false); err != nil {
			return err
		}
		if err := s.begin(ctx, ses); err != nil {
			return err
		}
		if err := s.tables.flush(ctx, ses); err != nil {
			return err
		}
		failpoint.At("postgres/before-write-commit")
		return ses.commit(ctx)
	})
	if err != nil {
		return err
	}
	failpoint.At("postgres/after-write-commit")
	s.tables.clear()
	return nil
}

// Close gives the connection back. Rows that no Commit has followed are left to
// the next run.
func (s *Sink) Close(ctx context.Context) error {
	if s.link == nil || s.closed {
		return nil
	}
	s.closed = true
	s.link.drop(ctx)
	return nil
}
