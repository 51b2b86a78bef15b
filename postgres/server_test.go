package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/llm-optimizer/processor/postgres/pgtest"
)

// run and query are for looking at a database from beside.
var (
	run   = pgtest.Exec
	query = pgtest.Query
)

func dial(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func tick() <-chan time.Time { return time.After(10 * time.Millisecond) }
