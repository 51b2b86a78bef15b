package kafkatest

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/llm-optimizer/processor/internal/servertest"
)

// The listeners of a broker that is Secured, beside the plain one.
const (
	// ListenerTLS encrypts.
	ListenerTLS = "TLS"
	// ListenerMutualTLS also wants a client's certificate.
	ListenerMutualTLS = "MUTUAL"
	// ListenerSASL wants a client to say who it is.
	ListenerSASL = "SASL"
	// ListenerSASLTLS also encrypts.
	ListenerSASLTLS = "SASLTLS"
)

const (
	// User is whom SASL lets in, with any of PLAIN, SCRAM-SHA-256 and
	// SCRAM-SHA-512, and OAUTHBEARER with a Token.
	User = "alice"
	// Password is the user's.
	Password = "kafkatest-secret"
)

// Secured adds a listener for every way of security. Everybody may do
// everything but what Deny forbids.
func Secured() Option { return func(b *Broker) { b.secured = true } }

// listener is a way to the broker beside the plain one.
type listener struct {
	name, protocol, addr string
	settings             []string
}

// ListenerAddr is HOST:PORT of a listener that an option has added, empty
// without the option.
func (b *Broker) ListenerAddr(name string) string {
	for _, l := range b.listeners {
		if l.name == name {
			return l.addr
		}
	}
	return ""
}

// Certificates are those of a broker that is Secured.
func (b *Broker) Certificates() *servertest.Certificates { return b.certs }

// secure adds the listeners.
func (b *Broker) secure() error {
	if !b.secured {
		return nil
	}
	if b.certs == nil {
		var err error
		if b.certs, err = b.folder.NewCertificates(); err != nil {
			return err
		}
	}
	b.listeners = []listener{
		{name: ListenerTLS, protocol: "SSL", settings: b.tlsSettings(ListenerTLS, "none")},
		{name: ListenerMutualTLS, protocol: "SSL", settings: b.tlsSettings(ListenerMutualTLS, "required")},
		{name: ListenerSASL, protocol: "SASL_PLAINTEXT", settings: saslSettings(ListenerSASL)},
		{name: ListenerSASLTLS, protocol: "SASL_SSL", settings: append(saslSettings(ListenerSASLTLS), b.tlsSettings(ListenerSASLTLS, "none")...)},
	}
	b.listeners[0].settings = append(b.listeners[0].settings,
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"allow.everyone.if.no.acl.found=true", "super.users=User:ANONYMOUS")
	return nil
}

func prefix(listener string) string { return "listener.name." + strings.ToLower(listener) + "." }

func (b *Broker) tlsSettings(listener, clients string) []string {
	p := prefix(listener)
	return []string{
		p + "ssl.keystore.type=PEM", p + "ssl.keystore.location=" + b.certs.ServerBoth,
		p + "ssl.truststore.type=PEM", p + "ssl.truststore.location=" + b.certs.CA,
		p + "ssl.client.auth=" + clients,
	}
}

func saslSettings(listener string) []string {
	const modules = "org.apache.kafka.common.security."
	p := prefix(listener)
	return []string{
		p + "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
		p + fmt.Sprintf("plain.sasl.jaas.config="+modules+"plain.PlainLoginModule required user_%s=%q;", User, Password),
		p + "scram-sha-256.sasl.jaas.config=" + modules + "scram.ScramLoginModule required;",
		p + "scram-sha-512.sasl.jaas.config=" + modules + "scram.ScramLoginModule required;",
		p + "oauthbearer.sasl.jaas.config=" + modules + "oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";",
	}
}

// scramUsers are what the data are formatted with.
func (b *Broker) scramUsers() []string {
	if !b.secured {
		return nil
	}
	var users []string
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		users = append(users, fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, User, Password))
	}
	return users
}

// Token is one for OAUTHBEARER, that nobody has signed, for a user and a time
// from now on.
func Token(user string, valid time.Duration) string {
	now := time.Now()
	claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, user, now.Unix(), now.Add(valid).Unix())
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "."
}

// Deny forbids User operations on topics, by a broker that is Secured.
func (b *Broker) Deny(t testing.TB, operation kadm.ACLOperation, topics ...string) {
	t.Helper()
	b.deny(t, kadm.NewACLs().Topics(topics...), operation)
}

// DenyTransactions forbids User to write with a transactional id.
func (b *Broker) DenyTransactions(t testing.TB, id string) {
	t.Helper()
	b.deny(t, kadm.NewACLs().TransactionalIDs(id), kadm.OpWrite)
}

func (b *Broker) deny(t testing.TB, acl *kadm.ACLBuilder, operation kadm.ACLOperation) {
	t.Helper()
	b.Admin(t, "denying", func(c *kadm.Client) error {
		ctx, cancel := within()
		defer cancel()
		acl = acl.Deny("User:" + User).DenyHosts().ResourcePatternType(kadm.ACLPatternLiteral).Operations(operation)
		results, err := c.CreateACLs(ctx, acl)
		for _, r := range results {
			if r.Err != nil {
				return r.Err
			}
		}
		return err
	})
}
