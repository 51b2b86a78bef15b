package postgres

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands before a server and cuts connections where a test wants.
type proxy struct {
	listener net.Listener
	server   string
	done     sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	armed  bool
	toward bool // the bytes toward the server are counted, else those from it
	left   int
	marker string // the answer to the request that holds it is lost
	cuts   int
	closed bool
}

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: u.Host, conns: map[net.Conn]bool{}}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.closed = true
		p.cutLocked()
		p.mu.Unlock()
		p.done.Wait()
	})
	return p
}

// url is the server's with the proxy's address.
func (p *proxy) url(server string) string {
	u, _ := url.Parse(server)
	u.Host = p.listener.Addr().String()
	return u.String()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		if p.closed {
			client.Close()
			server.Close()
		}
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		asked := new(bool)
		p.done.Go(func() { p.pass(server, client, true, asked) })
		p.done.Go(func() { p.pass(client, server, false, asked) })
	}
}

func (p *proxy) pass(to, from net.Conn, toward bool, asked *bool) {
	defer func() { to.Close(); from.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		allowed, cut := p.spend(toward, buf[:n], asked)
		if _, err := to.Write(buf[:allowed]); err != nil || cut {
			p.mu.Lock()
			if cut {
				p.cutLocked()
			}
			p.mu.Unlock()
			return
		}
		if err != nil {
			if err != io.EOF {
				return
			}
			return
		}
	}
}

// spend returns how many of the bytes may pass, and whether all is cut then.
func (p *proxy) spend(toward bool, data []byte, asked *bool) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if toward && p.marker != "" && bytes.Contains(data, []byte(p.marker)) {
		p.marker, *asked = "", true
	} else if !toward && *asked && len(data) > 0 {
		*asked = false
		p.cuts++
		return 0, true
	}
	if !p.armed || p.toward != toward {
		return len(data), false
	}
	if p.left -= len(data); p.left > 0 {
		return len(data), false
	}
	p.armed = false
	p.cuts++
	return len(data) + p.left, true
}

func (p *proxy) cutLocked() {
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

// cutAfter cuts all connections after so many more bytes.
func (p *proxy) cutAfter(toward bool, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.toward, p.left = true, toward, n
}

// loseAnswer cuts all connections before the answer to a request.
func (p *proxy) loseAnswer(marker string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker = marker
}

func (p *proxy) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.marker = false, ""
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}
