package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/postgres/pgtest"
	"github.com/llm-optimizer/processor/result"
)

// onDay is a row whose window begins at an hour of 2026, and event time with it.
func onDay(month time.Month, day, hour int) result.Result {
	r := aRow(0)
	r.Start = time.Date(2026, month, day, hour, 0, 0, 0, time.UTC).UnixNano()
	r.End, r.Identity, r.Watermark = r.Start+3600e9, r.Start, r.Start+3600e9
	return r
}

func partitioned(url, by string, retain time.Duration) *Sink {
	s := aSink(url)
	s.PartitionBy, s.Retain = by, retain
	return s
}

// partsOf are the partitions of a table with their numbers of rows.
func partsOf(t *testing.T, url, table string) string {
	t.Helper()
	var list []string
	for _, row := range query(t, url, "select inhrelid::regclass::text from pg_inherits where inhparent = to_regclass($1) order by 1", table) {
		list = append(list, row[0]+":"+query(t, url, "select count(*)::text from "+row[0])[0][0])
	}
	return strings.Join(list, " ")
}

func wantParts(t *testing.T, url, want string) {
	t.Helper()
	if got := partsOf(t, url, "stats"); got != want {
		t.Errorf("the partitions are %q, want %q", got, want)
	}
}

func mustCommit(t *testing.T, s *Sink, epoch uint64, rows ...result.Result) {
	t.Helper()
	if err := commit(t, s, epoch, rows...); err != nil {
		t.Fatal(err)
	}
}

// Partitions come with their rows and go by event time, in both modes, also
// over a restart; a row for a partition that is gone brings it back.
func TestPartitions(t *testing.T) {
	for _, history := range []bool{false, true} {
		url := pgtest.Shared(t).NewDatabase(t)
		s := partitioned(url, ByDay, 48*time.Hour)
		s.History = history
		openAt(t, s, mark(0), 0)
		mustCommit(t, s, 1, onDay(1, 1, 0), onDay(1, 1, 23), onDay(1, 2, 0))
		wantParts(t, url, "stats_p20260101:2 stats_p20260102:1")
		again := onDay(1, 1, 0)
		again.Firing, again.Timing, again.Watermark = 1, result.Late, onDay(1, 3, 0).Watermark
		mustCommit(t, s, 2, again, onDay(1, 3, 1))
		first := map[bool]int{false: 2, true: 3}[history]
		wantParts(t, url, fmt.Sprintf("stats_p20260101:%d stats_p20260102:1 stats_p20260103:1", first))
		s.Close(t.Context())

		s = partitioned(url, ByDay, 48*time.Hour)
		s.History = history
		openAt(t, s, knownMark(2), 2)
		mustCommit(t, s, 3, onDay(1, 4, 0)) // 2 January, 01:00 is not older than retain
		wantParts(t, url, "stats_p20260102:1 stats_p20260103:1 stats_p20260104:1")
		late := onDay(1, 1, 5)
		late.Watermark = onDay(1, 4, 0).Watermark
		mustCommit(t, s, 4, late)
		wantParts(t, url, "stats_p20260101:1 stats_p20260102:1 stats_p20260103:1 stats_p20260104:1")
		mustCommit(t, s, 5, onDay(1, 6, 0), late)
		wantParts(t, url, "stats_p20260101:1 stats_p20260104:1 stats_p20260106:1")
		mustCommit(t, s, 6, onDay(1, 7, 0))
		wantParts(t, url, "stats_p20260106:1 stats_p20260107:1")
	}
}

func TestPartitionsByMonth(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := partitioned(url, ByMonth, 31*24*time.Hour)
	openAt(t, s, mark(0), 0)
	mustCommit(t, s, 1, onDay(1, 1, 0), onDay(1, 31, 23), onDay(2, 1, 0))
	wantParts(t, url, "stats_p202601:2 stats_p202602:1")
	mustCommit(t, s, 2, onDay(3, 3, 22)) // 31 January is not old yet
	wantParts(t, url, "stats_p202601:2 stats_p202602:1 stats_p202603:1")
	mustCommit(t, s, 3, onDay(3, 3, 23))
	wantParts(t, url, "stats_p202602:1 stats_p202603:2")
	s.Close(t.Context())

	// Days have a place in the months that are there, and not the other way round.
	s = partitioned(url, ByDay, 0)
	openAt(t, s, knownMark(3), 3)
	mustCommit(t, s, 4, onDay(3, 6, 0), onDay(4, 6, 0))
	wantParts(t, url, "stats_p202602:1 stats_p202603:3 stats_p20260406:1")
	s.Close(t.Context())
	s = partitioned(url, ByMonth, 0)
	openAt(t, s, knownMark(4), 4)
	wantError(t, commit(t, s, 5, onDay(4, 7, 0)), "stats_p20260406", "partition_by")
}

// What the clock has not seen yet makes nothing old.
func TestAFutureEventDropsNothing(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := partitioned(url, ByDay, 24*time.Hour)
	openAt(t, s, mark(0), 0)
	today := aRow(0)
	today.Start = time.Now().Truncate(time.Hour).UnixNano()
	today.End, today.Identity, today.Watermark = today.Start+3600e9, today.Start, today.Start
	future := today
	future.Start += int64(100 * 365 * 24 * time.Hour)
	future.End, future.Identity, future.Watermark = future.Start+3600e9, future.Start, future.Start
	mustCommit(t, s, 1, today)
	mustCommit(t, s, 2, future)
	mustCommit(t, s, 3, future)
	if n := query(t, url, "select count(*)::text from stats")[0][0]; n != "2" {
		t.Errorf("%s rows are left, want 2", n)
	}
}

// TestPartitionsOfOthers: who else adds and drops partitions does no harm.
func TestPartitionsOfOthers(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := partitioned(url, ByDay, 0)
	openAt(t, s, mark(0), 0)
	mustCommit(t, s, 1, onDay(1, 1, 0))
	run(t, url, "drop table stats_p20260101")
	mustCommit(t, s, 2, onDay(1, 1, 1))
	wantParts(t, url, "stats_p20260101:1")
	run(t, url, "create table week partition of stats for values from ('2026-02-02 00:00+00') to ('2026-02-09 00:00+00')")
	mustCommit(t, s, 3, onDay(2, 3, 0), onDay(2, 8, 23))
	wantParts(t, url, "stats_p20260101:1 week:2")
	run(t, url, "create table other (); alter table other rename to stats_p20260301")
	wantError(t, commit(t, s, 4, onDay(3, 1, 0)), "already exists", "is not a partition")
}

// TestPartitionsAtOnce lets several sinks need the same partitions at once.
func TestPartitionsAtOnce(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	const sinks, days = 4, 10
	done := make(chan error, sinks)
	for i := range sinks {
		s := partitioned(url, ByDay, 5*24*time.Hour)
		s.Name = fmt.Sprint("s", i)
		openAt(t, s, mark(0), 0)
		go func() {
			var err error
			for day := 1; day <= days && err == nil; day++ {
				r := onDay(1, day, i)
				if err = s.Write(t.Context(), &result.Batch{Results: []result.Result{r}}); err == nil {
					_, err = s.Commit(t.Context(), mark(uint64(day)))
				}
			}
			done <- err
		}()
	}
	for range sinks {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := query(t, url, "select count(*)::text from stats where window_start >= '2026-01-06 00:00+00'")[0][0]; n != "20" {
		t.Errorf("%s rows of the last five days are there, want 20", n)
	}
}

// TestAReaderHoldsUpADrop: rows go on meanwhile.
func TestAReaderHoldsUpADrop(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := partitioned(url, ByDay, 24*time.Hour)
	openAt(t, s, mark(0), 0)
	mustCommit(t, s, 1, onDay(1, 1, 0))
	reader := dial(t, url)
	defer reader.Close(context.Background())
	if _, err := reader.Exec(t.Context(), "begin; select * from stats"); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, 2, onDay(1, 5, 0))
	wantParts(t, url, "stats_p20260101:1 stats_p20260105:1")
	if _, err := reader.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	s.tables.results["stats"].parts.postponed = time.Time{} // as if the pause were over
	mustCommit(t, s, 3, onDay(1, 5, 1))
	wantParts(t, url, "stats_p20260105:2")
}

// TestPartitionsOfALargeEpoch needs new ones in the transaction that is open.
func TestPartitionsOfALargeEpoch(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := partitioned(url, ByDay, 24*time.Hour)
	s.spillAt = 1
	openAt(t, s, mark(0), 0)
	for day := 1; day <= 4; day++ {
		if err := s.Write(t.Context(), &result.Batch{Results: []result.Result{onDay(1, day, 0), onDay(1, 1, day)}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := query(t, url, "select count(*)::text from stats")[0][0]; got != "0" {
		t.Errorf("%s rows are seen before the commit", got)
	}
	if _, err := s.Commit(t.Context(), mark(1)); err != nil {
		t.Fatal(err)
	}
	wantParts(t, url, "stats_p20260101:5 stats_p20260102:1 stats_p20260103:1 stats_p20260104:1")
	mustCommit(t, s, 2, onDay(1, 4, 1))
	wantParts(t, url, "stats_p20260103:1 stats_p20260104:2")
}

func TestWhatPartitionsRefuse(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	for name, c := range map[string]struct {
		change func(*Sink)
		says   string
	}{
		"an unknown word":     {func(s *Sink) { s.PartitionBy = "week" }, "want day or month"},
		"retain alone":        {func(s *Sink) { s.PartitionBy, s.Retain = "", time.Hour }, "partition_by"},
		"retain below zero":   {func(s *Sink) { s.Retain = -1 }, "positive"},
		"retain and not ours": {func(s *Sink) { s.Retain, s.NoCreate = time.Hour, true }, "create: false"},
	} {
		s := partitioned("postgres://127.0.0.1/none", ByDay, 0)
		c.change(s)
		t.Run(name, func(t *testing.T) { wantError(t, s.Describe(nil), c.says) })
	}

	plain := aSink(url)
	plain.Table = "plain"
	openAt(t, plain, mark(0), 0)
	s := partitioned(url, ByDay, 0)
	s.Table = "plain"
	wantError(t, openTo(t, s, mark(0), 0, false), "table plain is not partitioned by RANGE (window_start)")

	s = partitioned(url, ByDay, 0)
	s.Name = "days"
	openAt(t, s, mark(0), 0)
	global, grown := onDay(1, 1, 0), onDay(1, 1, 0)
	global.Start, global.End = event.MinTime, event.MaxTime
	grown.Start -= 5
	for _, r := range []result.Result{global, grown} {
		wantError(t, s.Write(t.Context(), &result.Batch{Results: []result.Result{r}}), "session or a global window")
	}
	wantError(t, openTo(t, aSink(url), mark(0), 0, false), "another setting of history or partition_by")

	// With create off the partitions are somebody else's.
	off := partitioned(url, ByDay, 0)
	off.Name, off.NoCreate = "off", true
	run(t, url, "create table stats_p20260101 partition of stats for values from ('2026-01-01 00:00+00') to ('2026-01-02 00:00+00')")
	openAt(t, off, mark(0), 0)
	mustCommit(t, off, 1, onDay(1, 1, 0))
	err := commit(t, off, 2, onDay(1, 2, 0))
	wantError(t, err, "has no partition for FROM ('2026-01-02 00:00:00+00')", "ATTACH PARTITION")
	_, sql, _ := strings.Cut(err.Error(), ": run ")
	run(t, url, sql)
	mustCommit(t, off, 2)

	run(t, url, "create table rest partition of stats default")
	wantError(t, commit(t, s, 1, onDay(1, 3, 0)), "default partition")
}

func TestNamesOfPartitions(t *testing.T) {
	at := periodOf(ByDay, time.Unix(0, -1))
	if at.bounds() != "FROM ('1969-12-31 00:00:00+00') TO ('1970-01-01 00:00:00+00')" {
		t.Errorf("the bounds are %s", at.bounds())
	}
	if got, err := parseBounds("FOR VALUES " + at.bounds()); err != nil || !got.equal(at) {
		t.Errorf("they are read as %v, %v", got, err)
	}
	open, err := parseBounds("FOR VALUES FROM (MINVALUE) TO (MAXVALUE)")
	if err != nil || !at.within(open) || open.within(at) {
		t.Errorf("open bounds are %v, %v", open, err)
	}
	for _, bad := range []string{"FOR VALUES IN ('a')", "FOR VALUES FROM ('x') TO ('y')", "FOR VALUES FROM (MINVALUE) TO ('y')"} {
		if _, err := parseBounds(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	long := strings.Repeat("é", 31)
	names := []string{}
	for _, table := range []string{"stats", long, long[:60] + "a"} {
		name := partitionName(pgx.Identifier{"my", table}, ByDay, at)
		if name[0] != "my" || len(name[1]) > maxName || !strings.HasSuffix(name[1], "_p19691231") || checkName(name[1]) != nil {
			t.Errorf("the partition of %s is %s", table, name)
		}
		names = append(names, name[1])
	}
	if slices.Sort(names); len(slices.Compact(names)) != 3 {
		t.Errorf("names are the same: %q", names)
	}
}
