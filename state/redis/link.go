package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// link is a way to the server: a client whose connections can be cut, so that
// a context that ends also ends what waits for a server that is silent.
type link struct {
	client   *goredis.Client
	options  *goredis.Options
	patience time.Duration
	log      *slog.Logger
	secrets  []string

	closing context.Context // ends dialing
	stop    context.CancelFunc

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// newLink makes a link of up to size connections; it does not connect yet.
func (s *Store) newLink(size int) (*link, error) {
	opt, err := s.options()
	if err != nil {
		return nil, err
	}
	l := &link{
		options: opt, patience: s.patience(), log: s.logger().With("store", s.String()),
		secrets: s.secrets(opt), conns: map[net.Conn]struct{}{},
	}
	l.closing, l.stop = context.WithCancel(context.Background())
	own := *opt
	own.PoolSize = size
	own.Dialer = l.dial
	l.client = goredis.NewClient(&own)
	return l, nil
}

func (l *link) close() {
	l.stop()
	_ = l.client.Close() // it has nothing left to lose
	l.cut()
}

// dial connects. A failure comes back as a connection that fails: the client
// would print one to standard error, and go on dialing in the background.
func (l *link) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.closing, cancel)()
	plain := &net.Dialer{KeepAlive: 15 * time.Second}
	var conn net.Conn
	var err error
	if l.options.TLSConfig != nil {
		conn, err = (&tls.Dialer{NetDialer: plain, Config: l.options.TLSConfig}).DialContext(ctx, network, addr)
	} else {
		conn, err = plain.DialContext(ctx, network, addr)
	}
	if err != nil {
		return failedConn{err: err}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing.Err() != nil {
		_ = conn.Close() // nobody will use it
		return failedConn{err: net.ErrClosed}, nil
	}
	l.conns[conn] = struct{}{}
	return &cuttable{conn, l}, nil
}

// cut closes all connections. Whoever uses one gets an error; the next command
// connects anew.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		_ = conn.Close() // it is given up
	}
	clear(l.conns)
}

type cuttable struct {
	net.Conn
	link *link
}

func (c *cuttable) Close() error {
	c.link.mu.Lock()
	delete(c.link.conns, c.Conn)
	c.link.mu.Unlock()
	return c.Conn.Close()
}

// failedConn is the connection that could not be made.
type failedConn struct {
	net.Conn
	err error
}

func (c failedConn) Read([]byte) (int, error)         { return 0, c.err }
func (c failedConn) Write([]byte) (int, error)        { return 0, c.err }
func (c failedConn) Close() error                     { return nil }
func (c failedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c failedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c failedConn) SetDeadline(time.Time) error      { return nil }
func (c failedConn) SetReadDeadline(time.Time) error  { return nil }
func (c failedConn) SetWriteDeadline(time.Time) error { return nil }

// try calls fn, which has to bear being repeated, until it succeeds, fails for
// good, or patience or the context ends. All that talks to the server passes
// through here, and so do its errors, which lose their secrets.
func (l *link) try(ctx context.Context, fn func(ctx context.Context) error) error {
	err := l.attempt(ctx, fn)
	if err == nil || !transient(err) {
		return l.clean(err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.log.Warn("the state's server does not answer as it should, trying again", "error", l.clean(err), "for", l.patience)
	if err = l.again(ctx, err, fn); err == nil {
		l.log.Info("the state's server answers again")
	}
	return l.clean(err)
}

// again repeats fn, which has failed with err.
func (l *link) again(ctx context.Context, err error, fn func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	for n := 0; ; n++ {
		pause(bounded, backoff(n))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case bounded.Err() != nil:
			return fmt.Errorf("gave up after %s: %w", l.patience, err)
		}
		next := l.attempt(bounded, fn)
		if next == nil || !transient(next) {
			return next
		}
		if bounded.Err() == nil { // else it says no more than that time is up
			err = next
		}
	}
}

// attempt calls fn once and cuts its connections when the context ends.
func (l *link) attempt(ctx context.Context, fn func(ctx context.Context) error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	defer context.AfterFunc(ctx, l.cut)()
	return fn(ctx)
}

// brief is the time for what need not succeed, as its time runs out anyway.
func (l *link) brief() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), min(l.patience, 5*time.Second))
}

// backoff is the pause before the n-th repetition: 20 ms, doubled up to a
// second, and somewhere in its upper half so that instances do not march in
// step.
func backoff(n int) time.Duration {
	d := min(20*time.Millisecond<<min(n, 10), time.Second)
	return d/2 + rand.N(d/2)
}

// pause waits for a time or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// finalError is one that trying again does not change.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func final(format string, args ...any) error { return finalError{fmt.Errorf(format, args...)} }

// transient reports whether trying again may help.
func transient(err error) bool {
	var ours finalError
	if errors.As(err, &ours) || ofCertificate(err) || errors.Is(err, goredis.ErrClosed) {
		return false
	}
	var reply goredis.Error
	if !errors.As(err, &reply) {
		return true // of the connection
	}
	for _, prefix := range []string{"LOADING", "BUSY ", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN", "READONLY", "max number of clients"} {
		if goredis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// ofCertificate reports whether the server has shown a certificate that is not
// trusted. The client takes the outermost of the errors off.
func ofCertificate(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) ||
		errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.CertificateInvalidError))
}
