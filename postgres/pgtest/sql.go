package pgtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/llm-optimizer/processor/internal/servertest"
)

// Null is how Query shows a value that is null.
const Null = "<null>"

// NewDatabase makes a database and returns its URL.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	Exec(t, s.URL(), "create database "+name)
	return s.url(name)
}

// Exec executes statements, each a transaction of its own, by a connection to a
// URL.
func Exec(t testing.TB, url string, statements ...string) {
	t.Helper()
	connected(t, url, func(ctx context.Context, conn *pgx.Conn) {
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	})
}

// Query returns the rows of a query, by a connection to a URL, with every value
// as Go prints it; a time is RFC 3339 in UTC.
func Query(t testing.TB, url, sql string, args ...any) [][]string {
	t.Helper()
	var lines [][]string
	connected(t, url, func(ctx context.Context, conn *pgx.Conn) {
		rows, err := conn.Query(ctx, sql, args...)
		if err == nil {
			lines, err = pgx.CollectRows(rows, asText)
		}
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	})
	return lines
}

func asText(row pgx.CollectableRow) ([]string, error) {
	values, err := row.Values()
	line := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			line[i] = Null
		case time.Time:
			line[i] = v.UTC().Format(time.RFC3339Nano)
		default:
			line[i] = fmt.Sprint(v)
		}
	}
	return line, err
}

// connected lends a connection.
func connected(t testing.TB, url string, use func(context.Context, *pgx.Conn)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), servertest.Patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }() // its work is done
	use(ctx, conn)
}
