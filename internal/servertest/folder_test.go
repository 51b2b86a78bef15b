package servertest

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
	"time"
)

func TestAbandonedFoldersAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var used, left, young *Folder
	for _, f := range []**Folder{&used, &left, &young} {
		var err error
		if *f, err = NewFolder("server"); err != nil {
			t.Fatal(err)
		}
		defer (*f).Remove()
	}
	long := time.Now().Add(-24 * time.Hour)
	for _, f := range []*Folder{used, left} {
		if err := os.Chtimes(f.Path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	// As the end of a process does it.
	left.lock.Close()
	young.lock.Close()
	other, err := NewFolder("other")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Remove()
	if _, err := os.Stat(left.Path); err != nil {
		t.Errorf("a folder of another name is removed: %v", err)
	}
	next, err := NewFolder("server")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f    *Folder
		want bool
	}{"in use": {used, true}, "left behind": {left, false}, "just made": {young, true}} {
		if _, err := os.Stat(c.f.Path); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	next.Remove()
	if _, err := os.Stat(next.Path); !os.IsNotExist(err) {
		t.Errorf("a removed folder is there: %v", err)
	}
}

func TestTail(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	f, err := NewFolder("server")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Remove()
	if got := f.Tail("log"); got != "" {
		t.Errorf("a file that is not there ends with %q", got)
	}
	text := make([]byte, 100_000)
	copy(text[len(text)-3:], "end")
	if err := os.WriteFile(f.File("log"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := f.Tail("log"); len(got) > 10_000 || got[len(got)-3:] != "end" {
		t.Errorf("the end has %d bytes", len(got))
	}
}

func TestCertificatesTrustEachOther(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	f, err := NewFolder("server")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Remove()
	c, err := f.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	for _, pair := range []struct {
		cert, key string
		names     []string
		usage     x509.ExtKeyUsage
	}{
		{c.ServerCert, c.ServerKey, []string{"127.0.0.1", "localhost"}, x509.ExtKeyUsageServerAuth},
		{c.ServerBoth, c.ServerBoth, []string{"127.0.0.1"}, x509.ExtKeyUsageServerAuth},
		{c.ClientCert, c.ClientKey, []string{""}, x509.ExtKeyUsageClientAuth},
	} {
		loaded, err := tls.LoadX509KeyPair(pair.cert, pair.key)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range pair.names {
			if _, err := loaded.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, KeyUsages: []x509.ExtKeyUsage{pair.usage}}); err != nil {
				t.Errorf("%s for %q: %v", pair.cert, name, err)
			}
		}
	}
}

func TestFreeAddr(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		addr, err := FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		seen[addr] = true
	}
	if len(seen) < 2 {
		t.Errorf("it is always %v", seen)
	}
}
