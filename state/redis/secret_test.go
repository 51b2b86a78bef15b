package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/redis/redistest"
)

// canary is a password that must not be seen anywhere.
const canary = "canary-p/ss@word"

const canaryInURL = "canary-p%2Fss%40word"

func TestSecretsStaySecret(t *testing.T) {
	var lines logs
	var said []string
	hear := func(s *Store, err error) {
		said = append(said, s.String())
		if err != nil {
			said = append(said, err.Error())
			for e := err; e != nil; e = errors.Unwrap(e) {
				said = append(said, e.Error())
			}
		}
	}
	server := redistest.Start(t, "--requirepass", canary)
	good := storeAt("redis://:" + canaryInURL + "@" + server.Addr + "/0")
	good.Logger = lines.logger()
	b := openAt(t, good)
	apply(t, b, sets("a", "1"))
	closed(t, b)

	for _, url := range []string{
		"redis://:" + canaryInURL + "x@" + server.Addr, // wrong
		"redis://user:" + canaryInURL + "@" + server.Addr,
		"redis://:" + canaryInURL + "@" + server.Addr + "/99",
		"redis://:" + canaryInURL + "@127.0.0.1:1",
		"redis://:" + canary + "@" + server.Addr, // not escaped
		"redis://:canary%zz@" + server.Addr,
		"redis://:canary@" + server.Addr + ":1:2",
		"redis://" + server.Addr + "/" + canary,
		"redis://" + server.Addr + "/?password=" + canary,
		"redis://" + server.Addr + "/?db=" + canary,
		"http://:" + canary + "@" + server.Addr,
		"canary:" + canary, canary, "://" + canary, "",
	} {
		s := storeAt(url)
		s.Logger, s.Patience = lines.logger(), 50*time.Millisecond
		_, err := s.Open(t.Context())
		if err == nil {
			t.Errorf("a store opens at %s", url)
		}
		hear(s, err)
		_, err = s.View(t.Context(), "")
		hear(s, err)
		_, err = s.Reset(t.Context())
		hear(s, err)
	}
	for _, text := range append(said, lines.String()) {
		if strings.Contains(text, "canary") {
			t.Errorf("the password is told: %s", text)
		}
	}
	if len(said) < 50 || !strings.Contains(lines.String(), "connection refused") {
		t.Errorf("too little was said: %q, %s", said, &lines)
	}
}

// TestServerRepeatsThePassword: an old server or a proxy that does not know a
// command repeats its arguments, passwords among them.
func TestServerRepeatsThePassword(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4096)
			for {
				if _, err := conn.Read(buf); err != nil {
					break
				}
				if _, err := io.WriteString(conn, "-ERR unknown command, with args beginning with: '2' 'AUTH' '"+canary+"'\r\n"); err != nil {
					break
				}
			}
			_ = conn.Close()
		}
	}()
	defer func() { _ = listener.Close(); <-done }()
	s := storeAt("redis://:" + canaryInURL + "@" + listener.Addr().String())
	_, err = s.Open(t.Context())
	wantError(t, err, nil, "unknown command", "***")
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("the password is told: %v", err)
	}
}

func TestString(t *testing.T) {
	for url, want := range map[string]string{
		"redis://:canary@host:1/2":         "redis://host:1/2 p",
		"rediss://u:canary@host":           "rediss://host:6379 p",
		"redis://[::1]:7/":                 "redis://[::1]:7 p",
		"redis://host/?client_name=canary": "redis://host:6379 p",
		"unix://u:canary@/run/redis.sock":  "unix:///run/redis.sock p",
		"redis://:can:ary":                 "redis p",
		"canary":                           "redis p",
	} {
		if got := (&Store{URL: url, Prefix: "p"}).String(); got != want {
			t.Errorf("%s is %q, want %q", url, got, want)
		}
	}
	for _, prefix := range []string{"", "a{b}", "}"} {
		_, err := (&Store{URL: "redis://host", Prefix: prefix}).Open(t.Context())
		wantError(t, err, nil, "prefix")
	}
}

// TestTLS opens a store over TLS, with a root of its own; without it, the
// server is refused at once.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	roots := certificate(t, dir)
	server := redistest.Start(t)
	addr := "127.0.0.1:" + freePort(t)
	_, port, _ := net.SplitHostPort(addr)
	server.CLI("config", "set", "tls-cert-file", filepath.Join(dir, "cert"), "tls-key-file", filepath.Join(dir, "key"),
		"tls-ca-cert-file", filepath.Join(dir, "cert"), "tls-auth-clients", "no", "tls-port", port)
	s := storeAt("rediss://" + addr)
	_, err := s.Open(t.Context())
	wantError(t, err, nil, "certificate")
	s.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	b := openAt(t, s)
	apply(t, b, sets("a", "1"))
	wantContent(t, b, map[string]string{"a": "1"})
	wantError(t, b.Checkpoint(t.Context(), "a/b"), nil, "no name for a checkpoint")
	_, err = s.View(t.Context(), "a/b")
	wantError(t, err, state.ErrNotFound)
}

func freePort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// certificate writes a certificate for 127.0.0.1 and its key, and returns it
// as a root.
func certificate(t *testing.T, dir string) *x509.CertPool {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots.AppendCertsFromPEM(cert)
	for name, text := range map[string][]byte{"cert": cert, "key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return roots
}
