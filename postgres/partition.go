package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/llm-optimizer/processor/internal/failpoint"
)

// partitions are those of a table by the time at which windows begin. Rows name
// the periods they need; flush makes sure of these first.
type partitions struct {
	table  *table
	by     string
	retain time.Duration
	create bool

	// needed are the periods of the rows that are held, by their beginning;
	// last is the one that was needed last.
	needed map[int64]period
	last   period
	// known are the periods that have a place on the server, as far as we know.
	known map[int64]bool
	// newest is how far event time has come, in nanoseconds since 1970.
	newest int64
	// done is the end of what was dropped last; postponed is until when a
	// reader that was in the way is left alone.
	done, postponed time.Time
}

// part is a partition on the server.
type part struct {
	Schema, Name, Bounds string
}

func (p *part) String() string { return pgx.Identifier{p.Schema, p.Name}.Sanitize() }

// partsSQL lists a table's partitions. It shows times in the session's zone.
const partsSQL = `select n.nspname::text, c.relname::text, pg_get_expr(c.relpartbound, c.oid)
from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
where i.inhparent = to_regclass($1::text)`

// need notes when a row's window begins and how far event time was then.
func (p *partitions) need(start, watermark int64, watermarked bool) {
	at := time.Unix(0, start)
	if p.last.to.IsZero() || !p.last.holds(at) {
		p.last = periodOf(p.by, at)
	}
	p.needed[p.last.from.Unix()] = p.last
	if watermarked {
		p.newest = max(p.newest, watermark)
	}
}

// prepare makes sure of the partitions of the rows that are held. open says that
// it is to be done in the transaction that is under way; otherwise it opens one
// of its own where there is something to do, which readers and writers of the
// table do not wait for. Then it drops, once a period, what is older than retain.
func (p *partitions) prepare(ctx context.Context, ses session, open bool) error {
	var lack []period
	for at, need := range p.needed {
		if !p.known[at] {
			lack = append(lack, need)
		}
	}
	if len(lack) > 0 {
		if err := inTransaction(ctx, ses, open, func() error { return p.add(ctx, ses, lack) }); err != nil {
			return err
		}
		failpoint.At("postgres/after-partition")
		for _, done := range lack {
			p.known[done.from.Unix()] = !open // a transaction that is under way may come to nothing
		}
	}
	if open {
		return nil
	}
	return p.retire(ctx, ses)
}

// inTransaction calls f in the transaction that is open, or in one of its own.
func inTransaction(ctx context.Context, ses session, open bool, f func() error) error {
	if open {
		return f()
	}
	if err := ses.begin(ctx, lockPatience); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return ses.commit(ctx)
}

// add creates partitions that are missing. They are attached, which locks out
// nobody, instead of created as partitions, which locks out readers.
func (p *partitions) add(ctx context.Context, ses session, lack []period) error {
	if err := p.lock(ctx, ses); err != nil {
		return err
	}
	there, err := p.list(ctx, ses)
	if err != nil {
		return err
	}
	for _, want := range lack {
		if held, err := p.covered(there, want); held || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		for _, sql := range p.addSQL(want) {
			if !p.create {
				return fatal("table %s has no partition for %s and create is off: run %s", p.table, want.bounds(), strings.Join(p.addSQL(want), "; "))
			}
			if err := ses.exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
	}
	return nil
}

// lock makes processors add and drop partitions one after the other, and times
// show in UTC until the end of the transaction.
func (p *partitions) lock(ctx context.Context, ses session) error {
	if err := ses.exec(ctx, fmt.Sprintf("select pg_advisory_xact_lock(%d)", createLock)); err != nil {
		return err
	}
	return ses.exec(ctx, "set local datestyle = 'ISO, YMD'; set local timezone = 'UTC'")
}

func (p *partitions) addSQL(want period) []string {
	name, parent := partitionName(p.table.name, p.by, want).Sanitize(), p.table.name.Sanitize()
	return []string{
		fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)", name, parent),
		fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES %s", parent, name, want.bounds()),
	}
}

// bounded is a partition and what it holds.
type bounded struct {
	part
	period
}

func (p *partitions) list(ctx context.Context, ses session) ([]bounded, error) {
	found, err := rows(ctx, ses, pgx.RowToStructByPos[part], partsSQL, p.table.name.Sanitize())
	if err != nil {
		return nil, err
	}
	list := make([]bounded, len(found))
	for i, f := range found {
		if f.Bounds == "DEFAULT" {
			return nil, fatal("table %s has %s as its default partition, where rows would stay for ever: detach it", p.table, &f)
		}
		bounds, err := parseBounds(f.Bounds)
		if err != nil {
			return nil, fatal("partition %s of table %s: %w", &f, p.table, err)
		}
		list[i] = bounded{f, bounds}
	}
	return list, nil
}

// covered reports whether a partition holds a period. One may be larger, as
// after a change from months to days.
func (p *partitions) covered(there []bounded, want period) (bool, error) {
	for i := range there {
		switch has := &there[i]; {
		case want.within(has.period):
			return true, nil
		case want.overlaps(has.period):
			return false, fatal("partition %s of table %s holds %s, a part of what one for %s would: use the partition_by that it was made with, or give the sink another table",
				&has.part, p.table, has.bounds(), want.bounds())
		}
	}
	return false, nil
}

const (
	// dropPatience is how long a drop, behind which readers queue up, waits for
	// those before it.
	dropPatience = 500 * time.Millisecond
	// dropPause is between tries.
	dropPause = time.Minute
)

// retire drops the partitions that ended before what is retained. Event time
// says what is old; what the clock has not seen yet is never old, so that one
// event from the far future cannot empty the table.
func (p *partitions) retire(ctx context.Context, ses session) error {
	now := time.Now()
	if p.retain == 0 || p.newest == 0 || now.Before(p.postponed) {
		return nil
	}
	newest := time.Unix(0, p.newest)
	if newest.After(now) {
		newest = now
	}
	end := periodOf(p.by, newest.Add(-p.retain)).from
	if !end.After(p.done) {
		return nil
	}
	err := p.drop(ctx, ses, end)
	if server := new(pgconn.PgError); errors.As(err, &server) && (server.Code == "55P03" || server.Code == "40P01") {
		p.postponed = now.Add(dropPause)
		return ses.exec(ctx, "rollback")
	}
	if err == nil {
		p.done = end
	}
	return err
}

// drop drops what ended by a time, but for what rows that are held need.
func (p *partitions) drop(ctx context.Context, ses session, end time.Time) error {
	if err := ses.begin(ctx, dropPatience); err != nil {
		return err
	}
	if err := p.lock(ctx, ses); err != nil {
		return err
	}
	there, err := p.list(ctx, ses)
	if err != nil {
		return err
	}
	for i := range there {
		has := &there[i]
		if has.to.After(end) || p.isNeeded(has.period) {
			continue
		}
		if err := ses.exec(ctx, "DROP TABLE "+has.part.String()); err != nil {
			return fmt.Errorf("drop partition %s, which is older than retain: %w", &has.part, err)
		}
	}
	if err := ses.commit(ctx); err != nil {
		return err
	}
	clear(p.known) // a row for what is gone brings it back
	for at := range p.needed {
		p.known[at] = true
	}
	return nil
}

func (p *partitions) isNeeded(has period) bool {
	for _, need := range p.needed {
		if need.overlaps(has) {
			return true
		}
	}
	return false
}

// again turns the error of a partition that somebody has dropped in the meantime
// into one that is tried again.
func (p *partitions) again(err error) error {
	server := new(pgconn.PgError)
	if errors.As(err, &server) && server.Code == "23514" && strings.HasPrefix(server.Message, "no partition of relation") {
		clear(p.known)
		return vanishedError{err}
	}
	return err
}

// vanishedError is of a partition that was there a moment ago.
type vanishedError struct{ error }

func (e vanishedError) Unwrap() error { return e.error }

func (p *partitions) clear() { clear(p.needed) }
