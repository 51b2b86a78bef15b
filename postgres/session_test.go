package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/postgres/pgtest"
	"github.com/llm-optimizer/processor/result"
)

// show reads a setting of the sink's own session.
func show(t *testing.T, s *Sink, name string) (value string) {
	t.Helper()
	if err := s.link.conn.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestTheSession(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	// Sync: a commit has to mean that the rows are on disk.
	run(t, url, fmt.Sprintf("alter database %q set synchronous_commit = off", url[strings.LastIndex(url, "/")+1:strings.Index(url, "?")]))
	s, own := aSink(url), aSink(url+"&statement_timeout=5000&application_name=mine")
	openAt(t, s, mark(0), 0)
	own.Name = "own"
	openAt(t, own, mark(0), 0)
	for name, want := range map[string][2]string{
		"synchronous_commit":                  {"on", "on"},
		"application_name":                    {"processor/p", "mine"},
		"statement_timeout":                   {"1min", "5s"},
		"idle_in_transaction_session_timeout": {"1min", "1min"},
	} {
		if got := [2]string{show(t, s, name), show(t, own, name)}; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A server that turns into a replica is waited for.
func TestAReadOnlyServer(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	name := url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
	s := aSink(url)
	openAt(t, s, mark(0), 0)
	run(t, url, fmt.Sprintf("alter database %q set default_transaction_read_only = on", name))
	// The session that is open finds out by its transaction, the next by asking.
	again := func(sql string) { run(t, url, "begin read write; "+fmt.Sprintf(sql, name)+"; commit") }
	if _, err := s.link.conn.Exec(t.Context(), "set default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- commit(t, s, 1, aRow(1)) }()
	for _, says := range []string{"read-only transaction", "read only connection"} {
		for {
			if _, err := s.Trouble(); err != nil && strings.Contains(err.Error(), says) {
				break
			}
			<-tick()
		}
	}
	again("alter database %q reset default_transaction_read_only")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Without marks a Write is there when it returns, a row that comes again
// replaces the first, and nothing is kept of the sink itself.
func TestWithoutMarks(t *testing.T) {
	url := pgtest.Shared(t).NewDatabase(t)
	s := aSink(url)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	gone := aRow(2)
	gone.Timing, gone.Values, gone.Firing = result.Retract, nil, 1
	for range 2 {
		if err := s.Write(t.Context(), &result.Batch{Results: []result.Result{aRow(1), aRow(2)}}); err != nil {
			t.Fatal(err)
		}
		if rows := query(t, url, "select 1 from stats"); len(rows) != 2 {
			t.Errorf("%d rows are there, want 2", len(rows))
		}
		if err := s.Write(t.Context(), &result.Batch{Results: []result.Result{gone}}); err != nil {
			t.Fatal(err)
		}
		if rows := query(t, url, "select n from stats"); len(rows) != 1 || rows[0][0] != "1" {
			t.Errorf("after a retraction the rows are %v", rows)
		}
	}
	if size := s.tables.size(); size != 0 {
		t.Errorf("%d bytes are held of what is written", size)
	}
	if columnsOf(t, url, "processor_epochs") != nil {
		t.Error("there is an epoch table")
	}
	_, err := s.Commit(t.Context(), mark(1))
	wantError(t, err, "without a resume")
}
