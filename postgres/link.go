package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/llm-optimizer/processor/secret"
	"github.com/llm-optimizer/processor/sink"
)

// link is the one connection of a sink. It is made anew after every error: what
// a broken session still holds ends with it.
type link struct {
	config  *pgx.ConnConfig
	secrets []secret.Text
	// name is the sink, the server and the database, for messages.
	name    string
	conn    *pgx.Conn
	trouble *sink.Troubles
}

// The waits between tries: doubled each time, each drawn between half and whole.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = 5 * time.Second
)

// statementPatience is how long the answer to one statement may take. It is
// beyond statement_timeout, by which the server gives up by itself; what takes
// longer is lost.
const statementPatience = statementTimeout + 15*time.Second

// do calls f with a connection until it succeeds, fails in a way that time does
// not mend, or ctx ends.
func (l *link) do(ctx context.Context, what string, f func(session) error) error {
	var last error
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		err := l.try(ctx, f)
		if err == nil {
			l.trouble.Note(nil)
			return nil
		}
		l.drop(ctx)
		if ctx.Err() != nil {
			return ended(ctx, what, last)
		}
		last = l.text(err)
		if !transient(err) {
			return fmt.Errorf("%s: %w", what, last)
		}
		l.trouble.Note(last)
		if !sleep(ctx, wait/2+rand.N(wait/2+1)) {
			return ended(ctx, what, last)
		}
		l.trouble.Retry()
	}
}

// try is one attempt.
func (l *link) try(ctx context.Context, f func(session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.conn == nil || l.conn.IsClosed() {
		conn, err := pgx.ConnectConfig(ctx, l.config)
		if err != nil {
			return err
		}
		l.conn = conn
	}
	return f(session{l.conn})
}

// ended is the error of what ctx has ended, with the last reason why it had not
// succeeded before, if there was one.
func ended(ctx context.Context, what string, last error) error {
	if last == nil {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	return fmt.Errorf("%s: %w; the last reason: %w", what, context.Cause(ctx), last)
}

// sleep waits, and reports whether ctx has let it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// farewell is how long a server is given to notice that a session ends.
const farewell = 250 * time.Millisecond

// drop closes the connection, and with it what is under way.
func (l *link) drop(ctx context.Context) {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	_ = l.conn.Close(ctx) // it is given up either way
	l.conn = nil
}

// session is a connection for one attempt. Each statement has statementPatience.
type session struct {
	conn *pgx.Conn
}

func (s session) exec(ctx context.Context, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, statementPatience)
	defer cancel()
	_, err := s.conn.Exec(ctx, sql, args...)
	return err
}

// rows collects what a query returns.
func rows[T any](ctx context.Context, s session, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, statementPatience)
	defer cancel()
	r, err := s.conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(r, scan)
}

// lockPatience is how long a start waits for a lock at a time.
const lockPatience = 5 * time.Second

// begin opens a transaction that gives up where a lock takes longer.
func (s session) begin(ctx context.Context, patience time.Duration) error {
	if err := s.exec(ctx, "begin"); err != nil {
		return err
	}
	return s.exec(ctx, "set local lock_timeout = "+milliseconds(patience))
}

func (s session) commit(ctx context.Context) error { return s.exec(ctx, "commit") }
