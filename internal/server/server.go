package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/llm-optimizer/processor/secret"
)

// What a client may take: one that sends its request a byte a minute, or does
// not read the answer, is cut off.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	maxBody       = 64 << 10
	// maxConns keeps a flood of clients from taking the files that state and
	// sinks need; who comes on top of them is cut off.
	maxConns = 256
)

// Config is what a Server shows, and to whom.
type Config struct {
	// Listen is the address, host:port; port 0 takes any that is free.
	Listen string
	// Token is what actions need; without one they are refused.
	Token secret.Text
	// Name is the name of the config's file, for /api/v1/plan.
	Name     string
	Pipeline Pipeline
	// Recent and Samples are told of rows by the pipeline; nil shows none.
	Recent  *Recent
	Samples *Samples
	// Metrics answers /metrics; nil: there are none.
	Metrics http.Handler
	// Level is the log's; nil: it cannot be seen or changed.
	Level *slog.LevelVar
	// Page has index.html and what it needs; nil is the page of this package.
	Page fs.FS
	// Logger gets what goes wrong; nil means slog.Default().
	Logger *slog.Logger

	// Less time and fewer connections, for tests; 0 means the usual.
	headerTimeout, writeTimeout, statusEvery, heartbeat time.Duration
	maxConns                                            int
}

// Server answers requests from Start until Close.
type Server struct {
	cfg     Config
	token   [sha256.Size]byte
	handler http.Handler
	status  shared

	listener net.Listener
	http     *http.Server
	conns    atomic.Int64
	// quit ends the streams, done says that nobody is served any more.
	quit, done chan struct{}
}

// New makes a server that does not listen yet.
func New(cfg Config) *Server {
	if cfg.Recent == nil {
		cfg.Recent = NewRecent()
	}
	if cfg.Samples == nil {
		cfg.Samples = NewSamples()
	}
	if cfg.Page == nil {
		cfg.Page = Page()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.headerTimeout = cmp.Or(cfg.headerTimeout, headerTimeout)
	cfg.writeTimeout = cmp.Or(cfg.writeTimeout, writeTimeout)
	cfg.statusEvery = cmp.Or(cfg.statusEvery, time.Second)
	cfg.heartbeat = cmp.Or(cfg.heartbeat, 15*time.Second)
	cfg.maxConns = cmp.Or(cfg.maxConns, maxConns)
	s := &Server{cfg: cfg, token: sha256.Sum256([]byte(cfg.Token.Reveal())), quit: make(chan struct{}), done: make(chan struct{})}
	s.handler = s.guard(s.mux())
	return s
}

// Start listens and serves until Close. The context bounds the start alone.
func (s *Server) Start(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("server.listen: another process listens on %s: end it, or give another port: %w", s.cfg.Listen, err)
	}
	if err != nil {
		return fmt.Errorf("server.listen: cannot listen on %s: %w", s.cfg.Listen, err)
	}
	s.listener = l
	s.http = &http.Server{
		Handler: s.handler, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: s.cfg.headerTimeout, ReadTimeout: readTimeout, WriteTimeout: s.cfg.writeTimeout, IdleTimeout: idleTimeout,
		ConnState: s.count,
		// A client that breaks off is no news for the log.
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Logger.Error("the server has ended", "error", err)
		}
	}()
	return nil
}

// count cuts off the connections beyond the last one that may be open.
func (s *Server) count(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if s.conns.Add(1) > int64(s.cfg.maxConns) {
			// What this fails with the server hears as well, and counts it as gone.
			_ = conn.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.conns.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// Close ends the streams, lets other requests finish until the context ends,
// and stops listening. A server that was not started has nothing to close.
func (s *Server) Close(ctx context.Context) error {
	if s.http == nil {
		return nil
	}
	close(s.quit)
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("closing the server: %w", err), s.http.Close())
	}
	<-s.done
	s.http = nil
	return err
}

// URL is where a started server is found from this machine.
func (s *Server) URL() string {
	if s.listener == nil {
		return ""
	}
	return URL(s.listener.Addr().String())
}

// URL is where a server that listens on an address is found from the same
// machine.
func URL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
