package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/llm-optimizer/processor/secret"
)

// TLS is how connections are encrypted: with TLS 1.2 or later. The files are
// read again for each new connection, so that certificates can be renewed
// under a process that runs.
type TLS struct {
	// CAFile has the certificates, in PEM, by one of which the brokers' must be
	// signed; empty means those of the system.
	CAFile string
	// CertFile and KeyFile are our own certificate and its key, in PEM, for
	// brokers that want one; both or none.
	CertFile, KeyFile string
	// ServerName is what the brokers' certificates are for; empty means the
	// host that is connected to.
	ServerName string
	// SkipVerify accepts any certificate. Whoever is in between can then read
	// and change everything.
	SkipVerify bool
}

// SASL is who the client says it is.
type SASL struct {
	// Mechanism is plain, scram-sha-256, scram-sha-512 or oauthbearer.
	Mechanism string
	// Username and Password are for all but oauthbearer.
	Username string
	Password secret.Text
	// Token is for oauthbearer, or TokenFile, which has it and is read again
	// for each new connection.
	Token     secret.Text
	TokenFile string
}

// The mechanisms of SASL.
const (
	saslPlain    = "plain"
	saslScram256 = "scram-sha-256"
	saslScram512 = "scram-sha-512"
	saslOAuth    = "oauthbearer"
)

const (
	dialTimeout = 10 * time.Second
	keepAlive   = 15 * time.Second
)

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialer connects with TLS; it is nil without. What is wrong with the files is
// said now.
func (t *TLS) dialer() (dialFunc, error) {
	if t == nil {
		return nil, nil
	}
	if _, err := t.config(); err != nil {
		return nil, err
	}
	plainText := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		config, err := t.config()
		if err != nil {
			return nil, err
		}
		return (&tls.Dialer{NetDialer: plainText, Config: config}).DialContext(ctx, network, address)
	}, nil
}

// config reads the files.
func (t *TLS) config() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.SkipVerify, //nolint:gosec // asked for by that name
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("kafka tls.ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("kafka tls.ca_file: %s has no certificate, want PEM with BEGIN CERTIFICATE", t.CAFile)
		}
	}
	switch {
	case t.CertFile == "" && t.KeyFile == "":
		return config, nil
	case t.CertFile == "":
		return nil, errors.New("kafka tls.cert_file: missing; tls.key_file has the key of a certificate")
	case t.KeyFile == "":
		return nil, errors.New("kafka tls.key_file: missing; it is the key of the certificate in tls.cert_file")
	}
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("kafka tls.cert_file %s and tls.key_file %s: %w", t.CertFile, t.KeyFile, err)
	}
	config.Certificates = []tls.Certificate{cert}
	return config, nil
}

// mechanism is nil without SASL.
func (s *SASL) mechanism() (sasl.Mechanism, error) {
	if s == nil {
		return nil, nil
	}
	if err := s.valid(); err != nil {
		return nil, err
	}
	switch s.Mechanism {
	case saslPlain:
		return plain.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsMechanism(), nil
	case saslScram256:
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha256Mechanism(), nil
	case saslScram512:
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha512Mechanism(), nil
	}
	return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
		token, err := s.token()
		return oauth.Auth{Token: token}, err
	}), nil
}

// valid says which setting is missing or too many.
func (s *SASL) valid() error {
	user, token := s.Username != "" || !s.Password.IsZero(), !s.Token.IsZero() || s.TokenFile != ""
	switch s.Mechanism {
	case saslPlain, saslScram256, saslScram512:
		switch {
		case token:
			return fmt.Errorf("kafka sasl.token: %s takes sasl.username and sasl.password", s.Mechanism)
		case s.Username == "":
			return fmt.Errorf("kafka sasl.username: missing for %s", s.Mechanism)
		case s.Password.IsZero():
			return fmt.Errorf("kafka sasl.password: missing for %s", s.Mechanism)
		}
	case saslOAuth:
		switch {
		case user:
			return errors.New("kafka sasl.username: oauthbearer takes sasl.token or sasl.token_file instead")
		case !token:
			return errors.New("kafka sasl.token: missing for oauthbearer, or sasl.token_file")
		case !s.Token.IsZero() && s.TokenFile != "":
			return errors.New("kafka sasl.token_file: there is sasl.token already, want one of them")
		}
		_, err := s.token()
		return err
	default:
		return fmt.Errorf("kafka sasl.mechanism: %q is none, want plain, scram-sha-256, scram-sha-512 or oauthbearer", s.Mechanism)
	}
	return nil
}

// token is the token, from its file if it has one.
func (s *SASL) token() (string, error) {
	if s.TokenFile == "" {
		return s.Token.Reveal(), nil
	}
	text, err := os.ReadFile(s.TokenFile)
	if err != nil {
		return "", fmt.Errorf("kafka sasl.token_file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("kafka sasl.token_file: %s is empty", s.TokenFile)
	}
	return token, nil
}

// secrets are the strings that must not appear in messages.
func (s *SASL) secrets() []string {
	if s == nil {
		return nil
	}
	var list []string
	add := func(text string) {
		if text != "" {
			list = append(list, text, url.QueryEscape(text), strings.Trim(fmt.Sprintf("%q", text), `"`))
		}
	}
	add(s.Password.Reveal())
	add(s.Token.Reveal())
	if s.TokenFile != "" {
		if token, err := s.token(); err == nil {
			add(token)
		}
	}
	return list
}

// clean takes the secrets out of an error.
func (c *Cluster) clean(err error) error {
	if err == nil {
		return nil // the secrets may have to be read
	}
	return secret.Redact(err, c.SASL.secrets()...)
}
