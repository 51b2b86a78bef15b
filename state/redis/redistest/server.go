// Package redistest starts a real Redis server for tests, and stands between
// it and its clients to cut their connections.
package redistest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a Redis server on a loopback port. It ends with the test.
type Server struct {
	// Addr is host:port.
	Addr string
	// Dir is where it keeps its files.
	Dir string

	t    testing.TB
	args []string
	cmd  *exec.Cmd
}

// Start starts a server with an append-only file that is synced always, in a
// directory of its own. The arguments are as on its command line and win over
// that. The test is skipped where there is no redis-server.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("SKIPPED redis: redis-server is not installed")
	}
	s := &Server{Dir: t.TempDir(), t: t, args: args}
	t.Cleanup(s.Kill)
	// Somebody may take the port between our look and the server's.
	for range 5 {
		s.Addr = freeAddr(t)
		if s.start() {
			return s
		}
	}
	log, _ := os.ReadFile(filepath.Join(s.Dir, "log")) // it may not have come so far
	t.Fatalf("redis-server does not start: %s", log)
	return nil
}

// listen listens on a loopback port that is free.
func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func freeAddr(t testing.TB) string {
	t.Helper()
	listener := listen(t)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// start starts the server and waits until it answers.
func (s *Server) start() bool {
	_, port, _ := net.SplitHostPort(s.Addr)
	args := append([]string{
		"--bind", "127.0.0.1", "--port", port, "--dir", s.Dir, "--logfile", filepath.Join(s.Dir, "log"),
		"--save", "", "--appendonly", "yes", "--appendfsync", "always",
	}, s.args...)
	s.cmd = exec.CommandContext(context.Background(), "redis-server", args...)
	if err := s.cmd.Start(); err != nil {
		return false
	}
	for range 500 {
		if s.answers() {
			return true
		}
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid)); err == nil && strings.Contains(string(state), ") Z ") {
			break
		}
		wait(20 * time.Millisecond)
	}
	s.Kill()
	return false
}

// answers asks for anything: also the wish for a password is an answer, but
// not that it is still loading.
func (s *Server) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return false
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && !strings.HasPrefix(line, "-LOADING")
}

func wait(d time.Duration) { <-time.After(d) }

// URL is the server's address for a client.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Kill ends the server as a crash of the machine does to it, apart from what
// the kernel has still to write.
func (s *Server) Kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended
	_ = s.cmd.Wait()         // says that it was killed
	s.cmd = nil
}

// Restart starts the server again, at the same address and on the same files.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if !s.start() {
		s.t.Fatal("redis-server does not start again")
	}
}

// Stall stops the server until the returned function is called: it is there,
// and silent.
func (s *Server) Stall() (goOn func()) {
	s.t.Helper()
	process := s.cmd.Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	return func() { _ = process.Signal(syscall.SIGCONT) }
}

// CLI runs redis-cli and returns what it prints.
func (s *Server) CLI(args ...string) string {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.Addr)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "redis-cli", append([]string{"-h", host, "-p", port}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("redis-cli %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
