package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/llm-optimizer/processor/internal/servertest"
)

const (
	// User is the server's superuser, whom URL names.
	User = "postgres"
	// Password is the user's.
	Password = "pgtest-secret"
)

// Server is a PostgreSQL server on a loopback port.
type Server struct {
	addr     string
	bin      string
	folder   *servertest.Folder
	as       *syscall.Credential
	settings []string
	tls      bool
	certs    *servertest.Certificates

	process   *servertest.Process
	databases atomic.Int64
}

// Option changes how a server is started.
type Option func(*Server)

// Setting sets NAME=VALUE, as in postgresql.conf; it wins over what tests get
// without.
func Setting(line string) Option { return func(s *Server) { s.settings = append(s.settings, line) } }

// Durable makes the server keep what it has promised even if the machine
// crashes. Without, that holds for its own crashes only, and it is faster.
func Durable() Option {
	return func(s *Server) {
		s.settings = append(s.settings, "fsync=on", "full_page_writes=on")
	}
}

// TLS lets the server accept connections with TLS, and none without.
func TLS() Option { return func(s *Server) { s.tls = true } }

// Start starts a server that ends with the test. The test is skipped where
// there is none.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := Run(opts...)
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("PostgreSQL says:\n%s", s.Log())
		}
		s.Close()
	})
	return s
}

// missing skips a test for which there is no server, or fails it.
func missing(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrMissing) {
		t.Skipf("SKIPPED postgres: %v", err)
	}
	t.Fatal(err)
}

// Run starts a server that Close ends.
func Run(opts ...Option) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if s.as, err = account(); err != nil {
		return nil, err
	}
	for _, o := range opts {
		o(s)
	}
	if s.folder, err = servertest.NewFolder("processor-postgres"); err != nil {
		return nil, err
	}
	if err = s.begin(); err != nil {
		err = fmt.Errorf("starting PostgreSQL: %w\n%s", err, s.Log())
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) begin() error {
	if err := s.initialise(); err != nil {
		return err
	}
	// Somebody may take the port between our look and the server's.
	var err error
	for range 3 {
		if s.addr, err = servertest.FreeAddr(); err != nil {
			return err
		}
		if err = s.launch(); err == nil {
			return nil
		}
		s.process.End(syscall.SIGQUIT)
	}
	return err
}

// initialise makes the server's files.
func (s *Server) initialise() error {
	secret := s.folder.File("password")
	if err := os.WriteFile(secret, []byte(Password), 0o600); err != nil {
		return err
	}
	if s.tls {
		var err error
		if s.certs, err = s.folder.NewCertificates(); err != nil {
			return err
		}
	}
	if err := handOver(s.folder.Path, s.as); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), servertest.Patience)
	defer cancel()
	_, err := servertest.Run(s.command(ctx, "initdb", "-D", s.data(), "-U", User, "--pwfile", secret,
		"--auth=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=1"))
	if err != nil || !s.tls {
		return err
	}
	return s.onlyTLS()
}

// onlyTLS refuses connections without.
func (s *Server) onlyTLS() error {
	const rules = "hostssl all all 127.0.0.1/32 scram-sha-256\n"
	name := filepath.Join(s.data(), "pg_hba.conf")
	if err := os.WriteFile(name, []byte(rules), 0o600); err != nil {
		return err
	}
	return handOver(name, s.as)
}

func (s *Server) data() string { return s.folder.File("data") }

// command is one of the server's programs.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir = s.folder.Path
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	return cmd
}

// launch starts the process and waits until it answers.
func (s *Server) launch() error {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	settings := []string{
		"listen_addresses=" + host, "port=" + port, "unix_socket_directories=",
		"fsync=off", "full_page_writes=off", "max_connections=50", "deadlock_timeout=100ms",
		"shared_buffers=32MB", "min_wal_size=2MB", "max_wal_size=64MB",
		// In the server's own folder, not where a killed one would leave it.
		"dynamic_shared_memory_type=mmap",
		"timezone=UTC", "log_line_prefix=%m %b ",
	}
	if s.certs != nil {
		settings = append(settings, "ssl=on", "ssl_cert_file="+s.certs.ServerCert, "ssl_key_file="+s.certs.ServerKey)
	}
	args := []string{"-D", s.data()}
	for _, line := range append(settings, s.settings...) {
		args = append(args, "-c", line)
	}
	if s.process, err = servertest.Start(s.command(context.Background(), "postgres", args...), s.folder.File("log")); err != nil {
		return err
	}
	return s.process.Answers(s.ping)
}

// ping asks the server for anything.
func (s *Server) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, servertest.Patience/4)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}

// Addr is HOST:PORT.
func (s *Server) Addr() string { return s.addr }

// URL is that of the database that every server has, with the password in it.
func (s *Server) URL() string { return s.url("postgres") }

func (s *Server) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(User, Password), Host: s.addr, Path: "/" + database, RawQuery: "sslmode=disable"}
	if s.certs != nil {
		u.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.certs.CA}}.Encode()
	}
	return u.String()
}

// Certificates are those of a server with TLS.
func (s *Server) Certificates() *servertest.Certificates { return s.certs }

// Kill ends the server and its clients' backends at once, as a crash of the
// machine does to them.
func (s *Server) Kill() { s.process.Kill() }

// Quit ends the server at once; its clients are told.
func (s *Server) Quit() { s.process.End(syscall.SIGQUIT) }

// Stop ends the server in order: transactions under way are rolled back.
func (s *Server) Stop() { s.process.End(syscall.SIGINT) }

// Restart ends the server at once, if it runs, and starts it again at the same
// address and on the same files.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Quit()
	err := s.launch()
	// Backends of a server that was killed may hold on to its memory for a
	// moment; a new one does not start before they are gone.
	const attempts, between = 50, 200 * time.Millisecond
	for n := 0; err != nil && n < attempts; n++ {
		<-time.After(between)
		err = s.launch()
	}
	if err != nil {
		t.Fatalf("PostgreSQL does not start again: %v\n%s", err, s.Log())
	}
}

// Pause stops the server and its backends in their tracks, until Continue.
func (s *Server) Pause() { s.process.Pause() }

// Continue lets a paused server go on.
func (s *Server) Continue() { s.process.Continue() }

// Log is the end of what the server has logged.
func (s *Server) Log() string { return s.folder.Tail("log") }

// Close ends the server and removes its files.
func (s *Server) Close() {
	s.Quit()
	s.folder.Remove()
}
