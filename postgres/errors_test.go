package postgres

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/llm-optimizer/processor/postgres/pgtest"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
	"github.com/llm-optimizer/processor/sink"
)

func TestWhatTimeMends(t *testing.T) {
	for _, code := range []string{"40001", "40P01", "53100", "53200", "53300", "57P01", "57P02", "57P03", "57014", "55P03", "25006", "25P03", "08006", "08P01"} {
		if !transient(fmt.Errorf("x: %w", &pgconn.PgError{Code: code})) {
			t.Errorf("%s is not tried again", code)
		}
	}
	for _, code := range []string{"42501", "42P01", "42703", "22P02", "23505", "28P01", "3D000", "XX000", "", "0"} {
		if transient(&pgconn.PgError{Code: code}) {
			t.Errorf("%s is tried again", code)
		}
	}
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, &net.OpError{Op: "dial", Err: errors.New("refused")}, context.DeadlineExceeded, pgconn.ErrReadOnlyConnection} {
		if !transient(fmt.Errorf("x: %w", err)) {
			t.Errorf("%v is not tried again", err)
		}
	}
	for _, err := range []error{errors.New("cannot encode"), fatal("%w", io.EOF), x509.UnknownAuthorityError{}} {
		if transient(err) {
			t.Errorf("%v is tried again", err)
		}
	}
}

func TestWhatErrorsSay(t *testing.T) {
	l := &link{}
	for _, c := range []struct {
		err  pgconn.PgError
		says string
	}{
		{pgconn.PgError{Code: "42501", Message: "permission denied for schema x"}, "GRANT USAGE"},
		{pgconn.PgError{Code: "42501", Message: "must be owner of table x"}, "owner of the table"},
		{pgconn.PgError{Code: "42501", Message: "permission denied for database x"}, "GRANT CONNECT"},
		{pgconn.PgError{Code: "23502", Message: "null value", ColumnName: "must", TableName: "stats"}, `table "stats", column "must": a column that is not ours`},
		{pgconn.PgError{Code: "53100", Message: "could not extend file"}, "disk space"},
		{pgconn.PgError{Code: "25006", Message: "read-only transaction"}, "replica"},
		{pgconn.PgError{Code: "28P01", Message: "password authentication failed"}, "user and password"},
	} {
		if got := l.text(&c.err).Error(); !strings.Contains(got, c.says) {
			t.Errorf("the error says %q and not %q", got, c.says)
		}
	}
}

// Should a server or a library quote the password, it is taken out.
func TestTextsWithoutSecrets(t *testing.T) {
	s := aSink("postgres://u:cAn%2Fary@h/d?sslmode=disable")
	l, err := newLink(s)
	if err != nil {
		t.Fatal(err)
	}
	said := l.text(fmt.Errorf("%s, cAn/ary, cAn%%2Fary: %w", s.URL.Reveal(), &pgconn.PgError{Message: "no cAn/ary"})).Error()
	if strings.Contains(said, "ary") {
		t.Errorf("it says %q", said)
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for url, says := range map[string]string{
		"":                                "url is missing",
		"postgres://u:canary-pw@h:port/d": "the URL cannot be read",
		"postgres://u:canary-pw@h/d?sslmode=sure":                                  "the URL cannot be read",
		"postgres://u:canary-pw@h/d?sslmode=verify-ca&sslrootcert=/nowhere/ca.pem": "/nowhere/ca.pem",
		"canary-pw": "the URL cannot be read",
	} {
		err := aSink(url).Open(t.Context())
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want %q", url, err, says)
		}
	}
}

// TestThePasswordIsNotShown fails a sink in many ways and looks at everything
// that it says.
func TestThePasswordIsNotShown(t *testing.T) {
	srv := pgtest.Shared(t)
	const canary = "cAn:ary/p@ss%w"
	escaped := "cAn%3Aary%2Fp%40ss%25w"
	run(t, srv.URL(), "create role canary superuser login password '"+canary+"'")
	url := strings.Replace(srv.NewDatabase(t), pgtest.User+":"+pgtest.Password, "canary:"+escaped, 1)
	var said strings.Builder
	note := func(s *Sink, err error) {
		fmt.Fprintf(&said, "%v\n%+v\n%#v\n", err, err, err)
		for e := err; e != nil; e = errors.Unwrap(e) {
			fmt.Fprintf(&said, "%+v %#v\n", e, e)
		}
		fmt.Fprintf(&said, "%v %+v %#v\n", s, s, s)
		slog.New(slog.NewTextHandler(&said, nil)).Error("x", "sink", s, "err", err)
		slog.New(slog.NewJSONHandler(&said, nil)).Error("x", "sink", s, "err", err)
		_, trouble := s.Trouble()
		fmt.Fprintf(&said, "%v %+v\n", trouble, trouble)
	}
	for _, change := range []func(string) string{
		func(u string) string { return strings.Replace(u, "canary:", "nobody:", 1) },
		func(u string) string { return u + "&sslrootcert=/nowhere" },
		func(u string) string { return strings.Replace(u, "sslmode=disable", "sslmode=require", 1) },
		func(u string) string { return strings.Replace(u, "127.0.0.1", "no-such-host.invalid", 1) },
		func(u string) string { return strings.Replace(u, "/test", "/no", 1) },
		func(u string) string { return strings.Replace(u, "127.0.0.1:", "127.0.0.1:1", 1) },
		func(u string) string { return u + "&search_path=none" },
		func(u string) string { return u },
	} {
		s := aSink(change(url))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Open(ctx) }()
		err := waitOrCancel(s, done, cancel)
		note(s, err)
		if err == nil {
			_, err = s.Resume(t.Context(), sink.Mark{}, 0, false)
			note(s, err)
			err = s.Write(t.Context(), &result.Batch{Late: make([]result.LateEvent, 1)})
			note(s, err)
		}
		s.Close(t.Context())
	}
	if strings.Count(said.String(), "***") < 8 {
		t.Errorf("it did not say much: %s", said.String())
	}
	for _, part := range []string{canary, escaped, "p@ss", "cAn"} {
		if at := strings.Index(said.String(), part); at >= 0 {
			t.Errorf("%q is shown: …%s…", part, said.String()[max(0, at-200):at+40])
		}
	}
}

// waitOrCancel cancels what is tried again without end.
func waitOrCancel(s *Sink, done chan error, cancel func()) error {
	defer cancel()
	for range 1000 {
		select {
		case err := <-done:
			return err
		default:
		}
		if _, err := s.Trouble(); err != nil {
			cancel()
			return <-done
		}
		<-tick()
	}
	cancel()
	return <-done
}

func TestASinkThatIsNotOpen(t *testing.T) {
	s := aSink("postgres://127.0.0.1/d")
	wantError(t, s.Write(t.Context(), &result.Batch{}), "not open")
	_, err := s.Resume(t.Context(), mark(1), 1, false)
	wantError(t, err, "not open")
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	url := pgtest.Shared(t).NewDatabase(t)
	s = aSink(url)
	openAt(t, s, mark(0), 0)
	s.Close(t.Context())
	_, err = s.Commit(t.Context(), mark(1))
	wantError(t, err, "closed")
}

// A server that cannot be reached is named, with the reason.
func TestAServerThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s := &Sink{URL: secret.New("postgres://u:pw@" + addr + "/d?sslmode=disable"), Table: "t", Name: "pg"}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Open(ctx) }()
	err = waitOrCancel(s, done, cancel)
	wantError(t, err, "open postgres sink pg ("+addr+"/d)", "connection refused", "context canceled")
}

// TLS that does not come about is no reason to go on trying.
func TestNoTLS(t *testing.T) {
	url := strings.Replace(pgtest.Shared(t).NewDatabase(t), "sslmode=disable", "sslmode=require", 1)
	wantError(t, aSink(url).Open(t.Context()), "refused TLS", "check sslmode")
}

func TestTLSFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, aSink("postgres://h/d?sslmode=verify-ca&sslrootcert="+file).Open(t.Context()), "cannot be read")
}

// A connection pool that refuses a setting of the session is told how to take it.
func TestAPoolThatRefusesASetting(t *testing.T) {
	refused := &pgconn.PgError{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: statement_timeout"}
	wantError(t, new(link).text(refused), "statement_timeout", "ignore_startup_parameters = statement_timeout,idle_in_transaction_session_timeout")
	if other := new(link).text(&pgconn.PgError{Code: "08P01", Message: "invalid frontend message type"}); strings.Contains(other.Error(), "ignore_startup") {
		t.Errorf("another breach of the protocol is %v", other)
	}
}
