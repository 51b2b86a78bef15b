package promtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/llm-optimizer/processor/internal/servertest"
)

// ErrMissing says that no server is installed.
var ErrMissing = errors.New("no Prometheus is installed (scripts/servers.sh does it)")

// Server is a Prometheus server on a loopback port.
type Server struct {
	// URL is where it listens, without a slash at the end.
	URL string

	program string
	addr    string
	folder  *servertest.Folder
	process *servertest.Process
}

// Run starts a server with a configuration, the text of prometheus.yml. It ends
// with the test, which is skipped where there is no Prometheus. Files are names
// and texts that the configuration may refer to, in pairs: rules, dashboards'
// queries.
func Run(t testing.TB, config string, files ...string) *Server {
	t.Helper()
	s, err := Start(config, files...)
	if errors.Is(err, ErrMissing) {
		t.Skipf("SKIPPED prometheus: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Prometheus says:\n%s", s.Log())
		}
		s.Close()
	})
	return s
}

// Start starts a server that Close ends.
func Start(config string, files ...string) (*Server, error) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	s := &Server{program: program}
	if s.folder, err = servertest.NewFolder("processor-prometheus"); err != nil {
		return nil, err
	}
	if err = s.begin(config, files); err != nil {
		err = fmt.Errorf("starting Prometheus: %w\n%s", err, s.Log())
		s.Close()
		return nil, err
	}
	return s, nil
}

// configName is the file of the configuration.
const configName = "prometheus.yml"

func (s *Server) begin(config string, files []string) error {
	files = append([]string{configName, config}, files...)
	for i := 0; i+1 < len(files); i += 2 {
		if err := os.WriteFile(s.folder.File(files[i]), []byte(files[i+1]), 0o600); err != nil {
			return err
		}
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
		s.process.End(syscall.SIGKILL)
	}
	return err
}

// launch starts the process and waits until it answers queries.
func (s *Server) launch() error {
	cmd := exec.CommandContext(context.Background(), s.program,
		"--config.file="+s.folder.File(configName),
		"--storage.tsdb.path="+filepath.Join(s.folder.Path, "data"),
		"--web.listen-address="+s.addr,
		"--log.level=warn")
	cmd.Dir = s.folder.Path
	var err error
	if s.process, err = servertest.Start(cmd, s.folder.File("log")); err != nil {
		return err
	}
	s.URL = "http://" + s.addr
	return s.process.Answers(s.ready)
}

func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, servertest.Patience/4)
	defer cancel()
	resp, err := s.get(ctx, "/-/ready")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it is not ready: %s", resp.Status)
	}
	return nil
}

// Log is the end of what the server has logged.
func (s *Server) Log() string { return s.folder.Tail("log") }

// Close ends the server and removes its files.
func (s *Server) Close() {
	s.process.End(syscall.SIGKILL)
	s.folder.Remove()
}
