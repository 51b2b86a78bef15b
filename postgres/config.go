package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/llm-optimizer/processor/secret"
)

// What a session is told unless the URL says otherwise.
const (
	// statementTimeout is far more than a statement takes, as they are of
	// bounded size; what runs longer waits for a lock.
	statementTimeout = time.Minute
	// idleTimeout ends a transaction whose other end is gone, so that its locks
	// do not stop the next one.
	idleTimeout    = time.Minute
	connectTimeout = 10 * time.Second

	// timeouts are the settings that a connection pool may not know.
	timeouts = statementSetting + "," + idleSetting

	statementSetting = "statement_timeout"
	idleSetting      = "idle_in_transaction_session_timeout"
)

var errURL = errors.New("the URL cannot be read, want postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full; " +
	"special characters of a password are written %XX; sslmode is disable, allow, prefer, require, verify-ca or verify-full")

// newLink reads the URL. What is wrong with it is not said in detail: the
// parser's messages quote it, and with it the password.
func newLink(s *Sink) (*link, error) {
	if s.URL.IsZero() {
		return nil, errors.New("url is missing: postgres://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	config, err := pgx.ParseConfig(s.URL.Reveal())
	if err != nil {
		if file := new(fs.PathError); errors.As(err, &file) {
			return nil, fmt.Errorf("the URL names a file for TLS that cannot be read: %w", file)
		}
		return nil, errURL
	}
	session := config.RuntimeParams
	for name, value := range map[string]string{
		"application_name": "processor/" + s.Pipeline,
		statementSetting:   milliseconds(statementTimeout),
		idleSetting:        milliseconds(idleTimeout),
		"client_encoding":  "UTF8",
	} {
		if session[name] == "" {
			session[name] = value
		}
	}
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, connectTimeout)
	if config.ValidateConnect == nil {
		// A replica cannot be written to; after a failover the next host can.
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	config.AfterConnect = keepCommits
	return &link{config: config, secrets: secrets(s.URL.Reveal(), config), name: address(s.Name, config), trouble: &s.trouble}, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// keepCommits makes a commit mean that the rows are on disk, whatever the
// default of the server: marks rely on it.
func keepCommits(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := conn.Exec(ctx, "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'").ReadAll()
	return err
}

// address names the sink and where it writes, without a password.
func address(sink string, c *pgx.ConnConfig) string {
	host := c.Host
	if !strings.HasPrefix(host, "/") {
		host = net.JoinHostPort(host, strconv.Itoa(int(c.Port)))
	}
	return fmt.Sprintf("postgres sink %s (%s/%s)", cmp.Or(sink, "postgres"), host, c.Database)
}

// secrets are the texts that must not appear in messages.
func secrets(dsn string, c *pgx.ConnConfig) (list []secret.Text) {
	add := func(texts ...string) {
		for _, text := range texts {
			if text != "" {
				list = append(list, secret.New(text))
			}
		}
	}
	add(dsn, c.Password)
	if c.Password != "" {
		add(url.QueryEscape(c.Password), url.PathEscape(c.Password))
	}
	if u, err := url.Parse(dsn); err == nil {
		if u.User != nil {
			_, escaped, _ := strings.Cut(u.User.String(), ":")
			add(escaped)
		}
		add(u.Query().Get("sslpassword"), u.Query().Get("password"))
	}
	return list
}
