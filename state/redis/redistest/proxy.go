package redistest

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
)

// Proxy passes connections on to a server, and cuts them where a test wants.
// It ends with the test.
type Proxy struct {
	// Addr is where it listens.
	Addr string

	listener net.Listener
	server   string
	done     sync.WaitGroup

	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	marker  string // a request with it gets no reply
	armed   bool
	budget  [2]int64 // bytes until the cut, by direction; below 0: without end
	cuts    int
	stopped bool
}

// The directions.
const (
	ToServer = iota
	ToClient
)

// NewProxy starts a proxy before a server.
func NewProxy(t testing.TB, server string) *Proxy {
	t.Helper()
	listener := listen(t)
	p := &Proxy{Addr: listener.Addr().String(), listener: listener, server: server, conns: map[net.Conn]struct{}{}}
	p.done.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

// URL is the proxy's address for a client.
func (p *Proxy) URL() string { return "redis://" + p.Addr }

// CutAfter closes all connections once, after so many more bytes have been
// passed on in a direction.
func (p *Proxy) CutAfter(direction int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = true
	p.budget = [2]int64{-1, -1}
	p.budget[direction] = bytes
}

// CutReply closes all connections once, when the server replies to a request
// in which a text occurs. That a command of a transaction is queued is no
// reply.
func (p *Proxy) CutReply(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker = text
}

// Cut closes all connections now.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

// Cuts returns how often connections have been cut by CutAfter and CutReply.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *Proxy) cut() {
	for conn := range p.conns {
		_ = conn.Close() // that is the purpose
	}
	clear(p.conns)
}

func (p *Proxy) stop() {
	p.mu.Lock()
	p.stopped = true
	p.cut()
	p.mu.Unlock()
	_ = p.listener.Close() // ends accept
	p.done.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.server)
		if err != nil {
			_ = client.Close() // as the server would
			continue
		}
		if !p.keep(client, server) {
			return
		}
		asked := new(bool)
		p.done.Go(func() { p.pass(server, client, ToServer, asked) })
		p.done.Go(func() { p.pass(client, server, ToClient, asked) })
	}
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		if p.stopped {
			_ = conn.Close() // came too late
			continue
		}
		p.conns[conn] = struct{}{}
	}
	return !p.stopped
}

// pass copies one direction until either side closes. asked says that the
// request has come by whose reply is to be lost.
func (p *Proxy) pass(to, from net.Conn, direction int, asked *bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		allowed := p.spend(direction, buf[:n], asked)
		if _, err := to.Write(buf[:allowed]); err != nil {
			return
		}
		if allowed < n {
			p.Cut()
			return
		}
		if err != nil {
			return
		}
	}
}

// spend returns how many of the bytes may pass.
func (p *Proxy) spend(direction int, data []byte, asked *bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(data)
	switch {
	case direction == ToServer && p.marker != "" && bytes.Contains(data, []byte(p.marker)):
		p.marker, *asked = "", true
	case direction == ToClient && *asked && len(withoutPromises(data)) > 0:
		*asked = false
		p.cuts++
		return 0
	}
	left := p.budget[direction]
	if !p.armed || left < 0 || int64(n) <= left {
		if p.armed && left >= 0 {
			p.budget[direction] -= int64(n)
		}
		return n
	}
	p.armed = false
	p.cuts++
	return int(left)
}

// withoutPromises takes off the replies to MULTI and to what is queued.
func withoutPromises(data []byte) []byte {
	for {
		rest := bytes.TrimPrefix(bytes.TrimPrefix(data, []byte("+OK\r\n")), []byte("+QUEUED\r\n"))
		if len(rest) == len(data) {
			return rest
		}
		data = rest
	}
}
