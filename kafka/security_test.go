package kafka

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/llm-optimizer/processor/secret"
)

// canary is a password that must not be seen anywhere.
const canary = "canary-p/ss\"word"

// certificates are files with an authority, and certificates it has signed.
type certificates struct {
	ca, cert, key, otherCA string
	server                 *tls.Config
}

func newCertificates(t *testing.T) certificates {
	t.Helper()
	dir := t.TempDir()
	caCert, caKey, caPEM := newAuthority(t)
	_, _, otherPEM := newAuthority(t)
	serverCert, serverKey := signed(t, caCert, caKey)
	clientCert, clientKey := signed(t, caCert, caKey)
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair, err := tls.X509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(caCert)
	return certificates{
		ca: write("ca", caPEM), otherCA: write("other", otherPEM), cert: write("cert", clientCert), key: write("key", clientKey),
		server: &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, MinVersion: tls.VersionTLS12},
	}
}

func newAuthority(t *testing.T) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func signed(t *testing.T, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &private.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// wantContact expects a first contact to come about, or to fail with an error
// that says all of words. On a slow machine it may first fail for want of time.
func wantContact(t *testing.T, c *Cluster, words ...string) {
	t.Helper()
	client, err := c.client(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if words == nil {
		if err := c.contact(t.Context(), client, patient); err != nil {
			t.Error(err)
		}
		return
	}
	words = append(words, c.Brokers[0])
	deadline := time.Now().Add(patient)
	for {
		err = c.contact(t.Context(), client, 500*time.Millisecond)
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the password is told: %v", err)
		}
		if err != nil && saysAll(err, words) || err == nil || time.Now().After(deadline) {
			break
		}
	}
	says(t, err, words...)
}

func saysAll(err error, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(err.Error(), w) })
}

func TestSASL(t *testing.T) {
	methods := map[string]string{"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512"}
	for mechanism, method := range methods {
		brokers := fakeBroker(t, kfake.EnableSASL(), kfake.Superuser(method, "user", canary)).ListenAddrs()
		for _, c := range []struct {
			sasl *SASL
			says []string
		}{
			{&SASL{Mechanism: mechanism, Username: "user", Password: secret.New(canary)}, nil},
			{&SASL{Mechanism: mechanism, Username: "user", Password: secret.New(canary + "x")}, []string{"sasl", mechanism}},
			{&SASL{Mechanism: mechanism, Username: "nobody", Password: secret.New(canary)}, []string{"sasl", mechanism}},
			{&SASL{Mechanism: "oauthbearer", Token: secret.New(canary)}, []string{"sasl"}},
			{nil, []string{"check", "sasl (it is off"}},
		} {
			wantContact(t, &Cluster{Brokers: brokers, SASL: c.sasl}, c.says...)
		}
	}
}

func TestTLS(t *testing.T) {
	files := newCertificates(t)
	plain := fakeBroker(t).ListenAddrs()
	oneWay := fakeBroker(t, kfake.TLS(files.server)).ListenAddrs()
	mutual := files.server.Clone()
	mutual.ClientAuth = tls.RequireAndVerifyClientCert
	bothWays := fakeBroker(t, kfake.TLS(mutual)).ListenAddrs()
	old := files.server.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	outdated := fakeBroker(t, kfake.TLS(old)).ListenAddrs()
	for name, c := range map[string]struct {
		brokers []string
		tls     *TLS
		says    []string
	}{
		"trusted":                     {oneWay, &TLS{CAFile: files.ca}, nil},
		"by another name":             {oneWay, &TLS{CAFile: files.ca, ServerName: "127.0.0.1"}, nil},
		"unverified":                  {oneWay, &TLS{SkipVerify: true}, nil},
		"both ways":                   {bothWays, &TLS{CAFile: files.ca, CertFile: files.cert, KeyFile: files.key}, nil},
		"not trusted":                 {oneWay, &TLS{CAFile: files.otherCA}, []string{"certificate is not trusted", "tls.ca_file"}},
		"not of the system":           {oneWay, &TLS{}, []string{"certificate is not trusted"}},
		"the wrong name":              {oneWay, &TLS{CAFile: files.ca, ServerName: "kafka"}, []string{"certificate is not trusted", "tls.server_name"}},
		"without our certificate":     {bothWays, &TLS{CAFile: files.ca}, []string{"refused the TLS connection", "tls.cert_file"}},
		"plain text to a port of TLS": {oneWay, nil, []string{"tls (it is off"}},
		"TLS to a port of plain text": {plain, &TLS{CAFile: files.ca}, []string{"TLS"}},
		"an old version":              {outdated, &TLS{CAFile: files.ca}, []string{"protocol version"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantContact(t, &Cluster{Brokers: c.brokers, TLS: c.tls}, c.says...)
		})
	}
}

// TestRenewedCertificate: the files are read for each connection.
func TestRenewedCertificate(t *testing.T) {
	files, others := newCertificates(t), newCertificates(t)
	brokers := fakeBroker(t, kfake.TLS(others.server)).ListenAddrs()
	c := &Cluster{Brokers: brokers, TLS: &TLS{CAFile: files.ca}}
	client, err := c.client(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	says(t, c.contact(t.Context(), client, patient), "not trusted")
	text, err := os.ReadFile(others.ca)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files.ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.contact(t.Context(), client, patient); err != nil {
		t.Errorf("with the new file: %v", err)
	}
}

func TestClusterSettings(t *testing.T) {
	files := newCertificates(t)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	password := secret.New(canary)
	for _, c := range []struct {
		cluster Cluster
		says    []string
	}{
		{Cluster{}, []string{"kafka brokers: none", "localhost:9092"}},
		{Cluster{Brokers: []string{"a:1", ":9092"}}, []string{`kafka brokers: ":9092"`, "HOST:PORT"}},
		{Cluster{Brokers: []string{"a:b"}}, []string{`"a:b"`}},
		{Cluster{Brokers: []string{"a:0"}}, []string{`"a:0"`}},
		{Cluster{Brokers: []string{"a:70000"}}, []string{`"a:70000"`}},
		{Cluster{Brokers: []string{"kafka://a:1"}}, []string{`"kafka://a:1"`}},
		{Cluster{Brokers: []string{"a:1,b:1"}}, []string{`"a:1,b:1"`}},
		{Cluster{TLS: &TLS{CAFile: "/nowhere"}}, []string{"kafka tls.ca_file", "/nowhere"}},
		{Cluster{TLS: &TLS{CAFile: empty}}, []string{"kafka tls.ca_file", "no certificate"}},
		{Cluster{TLS: &TLS{CertFile: files.cert}}, []string{"kafka tls.key_file: missing"}},
		{Cluster{TLS: &TLS{KeyFile: files.key}}, []string{"kafka tls.cert_file: missing"}},
		{Cluster{TLS: &TLS{CertFile: files.ca, KeyFile: files.key}}, []string{"kafka tls.cert_file"}},
		{Cluster{SASL: &SASL{}}, []string{"kafka sasl.mechanism", "scram-sha-512"}},
		{Cluster{SASL: &SASL{Mechanism: "PLAIN"}}, []string{"kafka sasl.mechanism", `"PLAIN"`}},
		{Cluster{SASL: &SASL{Mechanism: "plain", Password: password}}, []string{"kafka sasl.username"}},
		{Cluster{SASL: &SASL{Mechanism: "plain", Username: "u"}}, []string{"kafka sasl.password"}},
		{Cluster{SASL: &SASL{Mechanism: "scram-sha-256", Username: "u", Password: password, Token: password}}, []string{"kafka sasl.token"}},
		{Cluster{SASL: &SASL{Mechanism: "oauthbearer"}}, []string{"kafka sasl.token: missing"}},
		{Cluster{SASL: &SASL{Mechanism: "oauthbearer", Username: "u", Token: password}}, []string{"kafka sasl.username"}},
		{Cluster{SASL: &SASL{Mechanism: "oauthbearer", Token: password, TokenFile: empty}}, []string{"kafka sasl.token_file"}},
		{Cluster{SASL: &SASL{Mechanism: "oauthbearer", TokenFile: "/nowhere"}}, []string{"kafka sasl.token_file", "/nowhere"}},
		{Cluster{SASL: &SASL{Mechanism: "oauthbearer", TokenFile: empty}}, []string{"kafka sasl.token_file", "is empty"}},
	} {
		if c.cluster.TLS != nil || c.cluster.SASL != nil {
			c.cluster.Brokers = []string{"a:1"}
		}
		_, err := c.cluster.options()
		says(t, err, c.says...)
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("the secret is told: %v", err)
		}
	}
	c := Cluster{Brokers: []string{"a", "b:1", "[::1]:2", "::1", "[::1]"}}
	seeds, err := c.seeds()
	if want := "[a:9092 b:1 [::1]:2 [::1]:9092 [::1]:9092]"; err != nil || fmt.Sprint(seeds) != want {
		t.Errorf("seeds are %v, want %s: %v", seeds, want, err)
	}
}

// TestSecretsStaySecret: not in what is printed, and not in what a broker
// repeats.
func TestSecretsStaySecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(canary+"-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, c := range []Cluster{
		{Brokers: []string{"127.0.0.1:1"}, SASL: &SASL{Mechanism: "plain", Username: "u", Password: secret.New(canary)}},
		{Brokers: []string{"127.0.0.1:1"}, SASL: &SASL{Mechanism: "oauthbearer", Token: secret.New(canary)}},
		{Brokers: []string{"127.0.0.1:1"}, SASL: &SASL{Mechanism: "oauthbearer", TokenFile: file}},
	} {
		var health Health
		logger.Info("settings", "sasl", *c.SASL, "cluster", c)
		hidden, err := c.SASL.token()
		if err != nil || hidden == "" {
			hidden = canary
		}
		repeated := c.explain(fmt.Errorf("%w: bad credentials %s and %q", kerr.SaslAuthenticationFailed, hidden, hidden))
		if !errors.Is(repeated, kerr.SaslAuthenticationFailed) {
			t.Errorf("%v is no SASL_AUTHENTICATION_FAILED", repeated)
		}
		client, err := c.client(logger, &health)
		if err != nil {
			t.Fatal(err)
		}
		contact := c.contact(t.Context(), client, 3*time.Second)
		client.Close()
		says(t, contact, "connection refused", "127.0.0.1:1")
		for _, text := range []string{
			fmt.Sprintf("%v %+v %#v", c.SASL, c.SASL, c.SASL), fmt.Sprintf("%v %+v %#v", c, *c.SASL, *c.SASL),
			fmt.Sprintf("%v %+v %#v %s", repeated, repeated, repeated, repeated), fmt.Sprintf("%v %+v %#v", contact, contact, contact),
		} {
			if strings.Contains(text, "canary") {
				t.Errorf("the secret is told: %s", text)
			}
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the secret is logged: %s", &log)
	}
}
