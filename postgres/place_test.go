package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/llm-optimizer/processor/postgres/pgtest"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
	"github.com/llm-optimizer/processor/sink"
)

var life, otherLife = [16]byte{1}, [16]byte{2}

func mark(epoch uint64) sink.Mark { return sink.Mark{Incarnation: life, Epoch: epoch} }

func TestWhatAResumeDecides(t *testing.T) {
	here := func(incarnation [16]byte, epoch int64) placeRow {
		return placeRow{Incarnation: pgtype.UUID{Bytes: incarnation, Valid: true}, Epoch: pgtype.Int8{Int64: epoch, Valid: true}}
	}
	for name, c := range map[string]struct {
		row    placeRow
		epoch  uint64
		token  []byte
		newest uint64
		want   uint64
		says   string
	}{
		"new":                               {row: placeRow{}, epoch: 5, newest: 5, want: 5},
		"marked, and the state died":        {row: here(life, 5), epoch: 5, newest: 5, want: 5},
		"as it was":                         {row: here(life, 7), epoch: 7, token: tokenOf(7), newest: 9, want: 7},
		"further than the state knows":      {row: here(life, 8), epoch: 7, token: tokenOf(7), newest: 9, want: 8},
		"epochs without rows in between":    {row: here(life, 4), epoch: 7, token: tokenOf(4), newest: 9, want: 7},
		"another state":                     {row: here(otherLife, 4), epoch: 4, token: tokenOf(4), newest: 9, says: "another state"},
		"another state, and the sink new":   {row: here(otherLife, 4), epoch: 4, newest: 9, says: "another state"},
		"a later epoch":                     {row: here(life, 10), epoch: 7, token: tokenOf(7), newest: 9, says: "restored from an older copy"},
		"an older database":                 {row: here(life, 5), epoch: 7, token: tokenOf(6), newest: 9, says: "restored from an older copy"},
		"no row although there was a mark":  {row: placeRow{}, epoch: 7, token: tokenOf(6), newest: 9, says: "there is no mark"},
		"the token of a file":               {row: here(life, 7), epoch: 7, token: []byte{1, 0, 0, 0, 0, 0, 0, 0, 9}, newest: 9, says: "another kind"},
		"an empty token":                    {row: here(life, 7), epoch: 7, token: []byte{}, newest: 9, says: "another kind"},
		"a token of a later version":        {row: here(life, 7), epoch: 7, token: []byte{'p', 2, 1}, newest: 9, says: "format 2"},
		"a token that is cut short":         {row: here(life, 7), epoch: 7, token: []byte{'p', 1, 0}, newest: 9, says: "damaged"},
		"claimed, and died before any mark": {row: placeRow{Instance: pgtype.UUID{Valid: true}}, epoch: 3, newest: 3, want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.row.resume(sink.Mark{Incarnation: life, Epoch: c.epoch, Token: c.token}, c.newest)
			wantError(t, err, c.says)
			if err == nil && got != c.want {
				t.Errorf("it resumes at %d, want %d", got, c.want)
			}
		})
	}
}

// wantError checks that an error says something; nothing means no error.
func wantError(t *testing.T, err error, says ...string) {
	t.Helper()
	if len(says) == 1 && says[0] == "" {
		says = nil
	}
	if (err == nil) != (len(says) == 0) {
		t.Fatalf("the error is %v, want %q", err, says)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

// openAt opens, resumes and starts a sink, which ends with the test.
func openAt(t *testing.T, s *Sink, m sink.Mark, newest uint64) {
	t.Helper()
	if err := openTo(t, s, m, newest, false); err != nil {
		t.Fatal(err)
	}
}

func openTo(t *testing.T, s *Sink, m sink.Mark, newest uint64, redeliver bool) error {
	t.Helper()
	t.Cleanup(func() { s.Close(context.Background()) })
	if err := s.Open(t.Context()); err != nil {
		return err
	}
	if _, err := s.Resume(t.Context(), m, newest, redeliver); err != nil {
		return err
	}
	return s.Start(t.Context())
}

func aSink(url string) *Sink {
	return &Sink{URL: secret.New(url), Table: "stats", Pipeline: "p", Name: "s"}
}

func commit(t *testing.T, s *Sink, epoch uint64, rows ...result.Result) error {
	t.Helper()
	if err := s.Write(t.Context(), &result.Batch{Results: rows}); err != nil {
		return err
	}
	_, err := s.Commit(t.Context(), mark(epoch))
	return err
}

func TestASecondInstanceTakesOver(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	first, second := aSink(url), aSink(url)
	openAt(t, first, mark(0), 0)
	if err := commit(t, first, 1, aRow(1)); err != nil {
		t.Fatal(err)
	}
	if size := first.tables.size(); size != 0 {
		t.Errorf("%d bytes are held of what is committed", size)
	}
	openAt(t, second, sink.Mark{Incarnation: life, Epoch: 1, Token: tokenOf(1)}, 1)
	for range 2 { // whether it repeats that or not
		wantError(t, commit(t, first, 2, aRow(2)), "another instance", "has taken sink s over")
	}
	if err := commit(t, second, 2, aRow(3)); err != nil {
		t.Fatal(err)
	}
	if rows := query(t, url, "select 1 from stats"); len(rows) != 2 {
		t.Errorf("%d rows are there, want those of the one that may write", len(rows))
	}
}

func TestAnotherInstanceWritesWhileOneStarts(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	first, second := aSink(url), aSink(url)
	openAt(t, first, mark(0), 0)
	if err := second.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer second.Close(context.Background())
	if _, err := second.Resume(t.Context(), mark(0), 0, false); err != nil {
		t.Fatal(err)
	}
	if err := commit(t, first, 1, aRow(1)); err != nil {
		t.Fatal(err)
	}
	wantError(t, second.Start(t.Context()), "has written while this one started")
	if err := commit(t, first, 2, aRow(2)); err != nil {
		t.Errorf("the healthy one was stopped: %v", err)
	}
}

func TestRedeliverTakesOver(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	first := aSink(url)
	openAt(t, first, mark(0), 0)
	if err := commit(t, first, 5, aRow(1)); err != nil {
		t.Fatal(err)
	}
	known := sink.Mark{Incarnation: otherLife, Epoch: 2, Token: tokenOf(2)}
	wantError(t, openTo(t, aSink(url), known, 3, false), "another state", "--redeliver", "processor_epochs")
	if err := openTo(t, aSink(url), known, 3, true); err != nil {
		t.Fatal(err)
	}
	again := aSink(url)
	if err := openTo(t, again, known, 3, false); err != nil {
		t.Errorf("after a start with --redeliver one without is refused: %v", err)
	}
	if rows := query(t, url, "select epoch from processor_epochs"); len(rows) != 1 || rows[0][0] != "2" {
		t.Errorf("the place is %v, want epoch 2", rows)
	}
}

// A server that has forgotten commits is no other instance, and is told so.
func TestAServerForgets(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := aSink(url)
	openAt(t, s, mark(0), 0)
	for epoch := range uint64(3) {
		if err := commit(t, s, epoch+1, aRow(1)); err != nil {
			t.Fatal(err)
		}
	}
	run(t, url, "update processor_epochs set epoch = 2, commits = 2")
	wantError(t, commit(t, s, 4, aRow(2)), "forgotten", "commit 2 of this run, and not 3")
	run(t, url, "delete from processor_epochs")
	wantError(t, commit(t, s, 4, aRow(2)), "is gone from table processor_epochs")
	known := sink.Mark{Incarnation: life, Epoch: 3, Token: tokenOf(3)}
	wantError(t, openTo(t, aSink(url), known, 3, false), "there is no mark")
}

func TestALostAnswerToACommit(t *testing.T) {
	srv := pgtest.Shared(t)
	for name, spill := range map[string]int{"held": 0, "spilled": 1} {
		t.Run(name, func(t *testing.T) {
			url := srv.NewDatabase(t)
			p := newProxy(t, url)
			s := aSink(p.url(url))
			s.spillAt = spill
			openAt(t, s, mark(0), 0)
			if err := s.Write(t.Context(), &result.Batch{Results: []result.Result{aRow(1)}}); err != nil {
				t.Fatal(err)
			}
			p.loseAnswer(commitMessage)
			if _, err := s.Commit(t.Context(), mark(1)); err != nil {
				t.Fatal(err)
			}
			if p.count() != 1 {
				t.Fatal("no answer was lost")
			}
			if rows := query(t, url, "select commits, epoch from processor_epochs"); rows[0][0] != "1" || rows[0][1] != "1" {
				t.Errorf("the place is %v, want one commit", rows)
			}
			if err := commit(t, s, 2, aRow(2)); err != nil {
				t.Errorf("the next commit: %v", err)
			}
			if rows := query(t, url, "select 1 from stats"); len(rows) != 2 {
				t.Errorf("%d rows are there, want 2", len(rows))
			}
		})
	}
}

// A transaction that holds rows which are no longer in memory cannot be
// repeated.
func TestALargeEpochIsLost(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := aSink(url)
	s.spillAt = 1
	openAt(t, s, mark(0), 0)
	if err := s.Write(t.Context(), &result.Batch{Results: []result.Result{aRow(1)}}); err != nil {
		t.Fatal(err)
	}
	run(t, url, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'processor/p'")
	_, err := s.Commit(t.Context(), mark(1))
	wantError(t, err, "large epoch", "after a restart")
	if rows := query(t, url, "select 1 from stats"); len(rows) != 0 {
		t.Errorf("%d rows are there, want none", len(rows))
	}
}

func TestDeadlock(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := aSink(url)
	openAt(t, s, mark(0), 0)
	if err := commit(t, s, 1, aRow(1), aRow(2)); err != nil {
		t.Fatal(err)
	}
	other := dial(t, url)
	defer other.Close(context.Background())
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The other one has a row of ours and then wants the place.
	if _, err := tx.Exec(t.Context(), "update stats set timing = 'x'"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- commit(t, s, 2, aRow(1), aRow(2)) }()
	for len(query(t, url, "select 1 from pg_locks where not granted")) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	_, _ = tx.Exec(t.Context(), "update processor_epochs set holder = holder") // one of the two is the victim
	_ = tx.Rollback(t.Context())
	if err := <-done; err != nil {
		t.Error(err)
	}
	if rows := query(t, url, "select 1 from stats where timing = 'x'"); len(rows) != 0 {
		t.Errorf("%d rows are of the other", len(rows))
	}
}

// A server that hangs holds a commit up until ctx ends.
func TestASlowServer(t *testing.T) {
	srv := pgtest.Start(t)
	s := aSink(srv.NewDatabase(t))
	openAt(t, s, mark(0), 0)
	if err := s.Write(t.Context(), &result.Batch{Results: []result.Result{aRow(1)}}); err != nil {
		t.Fatal(err)
	}
	srv.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := s.Commit(ctx, mark(1))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the commit ends with %v", err)
	}
	srv.Continue()
}

func TestTroubleIsShown(t *testing.T) {
	srv := pgtest.Start(t)
	s := aSink(srv.NewDatabase(t))
	openAt(t, s, mark(0), 0)
	if _, err := s.Trouble(); err != nil || s.Retries() != 0 {
		t.Errorf("a healthy sink has the trouble %v and %d retries", err, s.Retries())
	}
	srv.Kill()
	done := make(chan error, 1)
	go func() { done <- commit(t, s, 1, aRow(1)) }()
	for {
		if since, err := s.Trouble(); err != nil {
			if since.IsZero() {
				t.Error("the trouble has no beginning")
			}
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	srv.Restart(t)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := s.Trouble(); err != nil || s.Retries() == 0 {
		t.Errorf("after it the trouble is %v, with %d retries", err, s.Retries())
	}
}

// knownMark is a mark that the state knows.
func knownMark(epoch uint64) sink.Mark {
	return sink.Mark{Incarnation: life, Epoch: epoch, Token: tokenOf(epoch)}
}
