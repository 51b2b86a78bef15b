package kafkatest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func TestSecurity(t *testing.T) {
	b := Start(t, Secured())
	b.CreateTopic(t, "a", 1, nil)
	open, encrypted, known := &tls.Config{}, tlsConfig(t, b, false), tlsConfig(t, b, true)
	as := func(password string) map[string]sasl.Mechanism {
		s := scram.Auth{User: User, Pass: password}
		return map[string]sasl.Mechanism{
			"plain":         plain.Auth{User: User, Pass: password}.AsMechanism(),
			"scram-sha-256": s.AsSha256Mechanism(),
			"scram-sha-512": s.AsSha512Mechanism(),
		}
	}
	for _, c := range []struct {
		name, listener string
		tls            *tls.Config
		ok             bool
	}{
		{"encrypted", ListenerTLS, encrypted, true},
		{"unknown authority", ListenerTLS, open, false},
		{"not encrypted", ListenerTLS, nil, false},
		{"with a certificate", ListenerMutualTLS, known, true},
		{"without a certificate", ListenerMutualTLS, encrypted, false},
		{"without a name", ListenerSASL, nil, false},
		{"without a name, encrypted", ListenerSASLTLS, encrypted, false},
	} {
		t.Run(c.name, func(t *testing.T) { reaches(t, b, c.ok, c.listener, c.tls, nil) })
	}
	for name, m := range as(Password) {
		t.Run(name, func(t *testing.T) {
			reaches(t, b, true, ListenerSASL, nil, m)
			reaches(t, b, true, ListenerSASLTLS, encrypted, m)
		})
	}
	for name, m := range as("wrong") {
		t.Run(name+" with a wrong password", func(t *testing.T) { reaches(t, b, false, ListenerSASL, nil, m) })
	}
	for name, valid := range map[string]time.Duration{"a token": time.Hour, "an old token": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			m := oauth.Auth{Token: Token(User, valid)}.AsMechanism()
			reaches(t, b, valid > 0, ListenerSASL, nil, m)
		})
	}
	t.Run("deny", func(t *testing.T) {
		b.Deny(t, kadm.OpWrite, "a")
		b.DenyTransactions(t, "id")
		// An answer to the first question does not mean that the rule is there.
		eventually(t, func() bool {
			err := produce(t, b, ListenerSASL, nil, as(Password)["plain"])
			return errors.Is(err, kerr.TopicAuthorizationFailed)
		})
		b.Produce(t, "a", 0, "others may")
	})
}

func tlsConfig(t testing.TB, b *Broker, own bool) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(b.Certificates().CA)
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	c.RootCAs.AppendCertsFromPEM(text)
	if own {
		pair, err := tls.LoadX509KeyPair(b.Certificates().ClientCert, b.Certificates().ClientKey)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// reaches tests whether a client can write by a listener.
func reaches(t testing.TB, b *Broker, want bool, listener string, config *tls.Config, m sasl.Mechanism) {
	t.Helper()
	if err := produce(t, b, listener, config, m); (err == nil) != want {
		t.Errorf("a client of %s gets %v", listener, err)
	}
}

func produce(t testing.TB, b *Broker, listener string, config *tls.Config, m sasl.Mechanism) error {
	t.Helper()
	opts := []kgo.Opt{
		kgo.SeedBrokers(b.ListenerAddr(listener)), kgo.DefaultProduceTopic("a"), kgo.DisableClientMetrics(),
		kgo.RequestRetries(1),
	}
	if config != nil {
		opts = append(opts, kgo.DialTLSConfig(config))
	}
	if m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	c, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// Producing would try longer.
	if _, err := kadm.NewClient(c).ListTopics(t.Context()); err != nil {
		return err
	}
	return c.ProduceSync(t.Context(), kgo.StringRecord(listener)).FirstErr()
}
