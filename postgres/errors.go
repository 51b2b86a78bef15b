package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The codes of a server for which the same can be tried again, with a new
// connection: by themselves, and by the first two characters.
var (
	transientCodes = map[string]string{
		"40001": "", // serialization_failure
		"40P01": "", // deadlock_detected
		"40003": "", // statement_completion_unknown
		"55P03": "something holds a lock: a reader of the table, or another instance that writes",
		"57014": "it took longer than statement_timeout or was cancelled; does something hold a lock on the table?",
		"57P01": "", // admin_shutdown
		"57P02": "", // crash_shutdown
		"57P03": "", // cannot_connect_now
		"57P05": "", // idle_session_timeout
		"25P03": "", // idle_in_transaction_session_timeout
		"25006": "the server is a replica or set to read only; name all hosts in the URL, and the one that can be written to is found",
	}
	transientClasses = map[string]string{
		"08": "",                                                                             // connection_exception
		"53": "the server is out of something: free disk space, memory or connections there", // insufficient_resources
	}
)

// errFatal marks errors of ours that trying again does not mend.
var errFatal = errors.New("fatal")

// fatal makes an error that ends the run.
func fatal(format string, args ...any) error {
	return fatalError{fmt.Errorf(format, args...)}
}

type fatalError struct{ error }

func (e fatalError) Unwrap() error        { return e.error }
func (e fatalError) Is(target error) bool { return target == errFatal }

// transient reports whether time may mend an error.
func transient(err error) bool {
	if errors.Is(err, errFatal) {
		return false
	}
	if errors.As(err, new(vanishedError)) {
		return true
	}
	if server := new(pgconn.PgError); errors.As(err, &server) {
		_, one := transientCodes[server.Code]
		_, class := transientClasses[class(server.Code)]
		return one || class
	}
	return lost(err)
}

// lost reports whether an error is one of the connection and not of what was
// asked: the outcome of a commit is then unknown.
func lost(err error) bool {
	if isTLS(err) {
		return false
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, pgconn.ErrReadOnlyConnection) || pgconn.SafeToRetry(err)
}

// isTLS reports whether the two ends do not agree on encryption, or one does not
// trust the other.
func isTLS(err error) bool {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	return errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &verify) || errors.As(err, &alert) ||
		err != nil && strings.Contains(err.Error(), "server refused TLS connection")
}

func class(code string) string {
	if len(code) < 2 {
		return ""
	}
	return code[:2]
}

// remedies say what to do about a code.
var remedies = map[string]string{
	"28P01": "check user and password of the URL",
	"28000": "check user and sslmode of the URL, and pg_hba.conf of the server",
	"3D000": "create the database, or correct its name in the URL",
	"3F000": "create the schema, or correct the name of the table",
	"42P01": "it was there at the start: bring it back, or restart to create it",
	"42703": "a column was there at the start: bring it back, or restart to create it",
	"42P07": "a table of that name is there and is not a partition: attach it, or drop or rename it",
	"42P10": "the table needs its primary key back",
	"42804": "the type of a column was changed: change it back, or restart to see what is wanted",
	"23502": "a column that is not ours must be nullable or have a default",
	"23505": "a unique constraint that is not ours forbids the row: drop it",
	"23514": "a check of the table forbids the row: drop it",
	"23503": "a foreign key of the table forbids the row: drop it",
	"22001": "the column is too short: make it text",
	"22003": "the column's type is too small: make it double precision or numeric",
	"22P05": "the database needs the encoding UTF8",
	"26000": "behind a connection pool add ?default_query_exec_mode=cache_describe to the URL",
	"42P05": "behind a connection pool add ?default_query_exec_mode=cache_describe to the URL",
	"0A000": "the server or what stands before it lacks a feature: PostgreSQL 12 or later is needed",
}

// text is an error without passwords, with the server's code explained. What it
// was made of is not within reach: a client's errors hold its configuration.
func (l *link) text(err error) error {
	var b strings.Builder
	b.WriteString(err.Error())
	if server := new(pgconn.PgError); errors.As(err, &server) {
		b.WriteString(details(server))
	} else if isTLS(err) {
		b.WriteString(": check sslmode and sslrootcert of the URL")
	}
	text := strings.Join(strings.Fields(b.String()), " ") // the client's run over several lines
	for _, s := range l.secrets {
		text = strings.ReplaceAll(text, s.Reveal(), "***")
	}
	return errors.New(text)
}

// details adds where a server's error happened, and the remedy.
func details(e *pgconn.PgError) string {
	var b strings.Builder
	for _, part := range [...]struct{ what, name string }{
		{"table", e.TableName}, {"column", e.ColumnName}, {"constraint", e.ConstraintName},
	} {
		if part.name != "" && !strings.Contains(e.Message, part.name) {
			fmt.Fprintf(&b, ", %s %q", part.what, part.name)
		}
	}
	remedy := remedies[e.Code]
	if remedy == "" {
		remedy = transientCodes[e.Code]
	}
	if remedy == "" {
		remedy = transientClasses[class(e.Code)]
	}
	switch {
	case e.Code == "42501":
		remedy = grantFor(e.Message)
	case e.Code == "08P01" && strings.Contains(e.Message, "startup parameter"): // PgBouncer's words
		remedy = "let the connection pool pass over it, PgBouncer by ignore_startup_parameters = " + timeouts
	}
	if remedy != "" {
		b.WriteString(": " + remedy)
	}
	return b.String()
}

// grantFor says which right is missing by what the server calls the thing.
func grantFor(message string) string {
	switch {
	case strings.Contains(message, "for schema"):
		return "GRANT USAGE, CREATE ON SCHEMA to the user, or create the tables yourself and set create: false"
	case strings.Contains(message, "for database"):
		return "GRANT CONNECT ON DATABASE to the user"
	case strings.Contains(message, "must be owner"):
		return "add the columns or partitions yourself and set create: false, or make the user the owner of the table"
	default:
		return "GRANT SELECT, INSERT, UPDATE, DELETE ON the table to the user"
	}
}
