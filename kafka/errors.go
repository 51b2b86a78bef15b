package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// about is what a request was about, for its error.
type about struct {
	cluster *Cluster
	// does is the operation that needs a permission: "read", "write", "create".
	does string
	// topic, group and txn are what it was done with, where there is one.
	topic string
	group string
	txn   string
	// first says that the cluster has not answered yet: then a connection that
	// is closed is more likely a wrong setting than a broker that goes.
	first bool
}

// explain turns an error of the client into ours: the cause in the words of
// the settings, and what would mend it, before what the broker said. Secrets
// are taken out. nil stays nil, and an error without a better explanation is
// itself.
func (a about) explain(err error) error {
	if err == nil {
		return nil
	}
	err = a.cluster.clean(err)
	if cause := a.cause(err); cause != "" {
		return fmt.Errorf("%s: %w", cause, err)
	}
	return err
}

func (a about) cause(err error) string {
	for _, causes := range []func(error) string{a.ofTopic, a.ofPermission, a.ofTransaction, a.ofSASL, a.ofConnection} {
		if text := causes(err); text != "" {
			return text
		}
	}
	return ""
}

func (a about) ofTopic(err error) string {
	switch {
	case a.topic == "":
		return ""
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Sprintf("topic %q does not exist at %s, or has fewer partitions than it had: correct the name, or create it (kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions 4)",
			a.topic, a.cluster, a.cluster, a.topic)
	case errors.Is(err, kerr.InvalidTopicException):
		return fmt.Sprintf("%q is no name for a topic: want up to 249 letters, digits, dots, underscores and hyphens", a.topic)
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return fmt.Sprintf("a record is larger than topic %q takes: raise max.message.bytes of the topic (message.max.bytes of the brokers), or make the rows smaller", a.topic)
	case errors.Is(err, kerr.InvalidPartitions):
		return fmt.Sprintf("topic %q cannot have that many partitions: want 1 or more", a.topic)
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return fmt.Sprintf("topic %q cannot have that many replicas: want at most as many as there are brokers", a.topic)
	case errors.Is(err, kerr.PolicyViolation):
		return fmt.Sprintf("the cluster's own rules forbid topic %q as it was asked for: have its administrator create it", a.topic)
	case errors.Is(err, kerr.NotEnoughReplicas), errors.Is(err, kerr.NotEnoughReplicasAfterAppend):
		return fmt.Sprintf("topic %q has fewer replicas in sync than its min.insync.replicas: some brokers are down", a.topic)
	case errors.Is(err, kerr.LeaderNotAvailable), errors.Is(err, kerr.NotLeaderForPartition):
		return fmt.Sprintf("a partition of topic %q has no leader that the brokers agree on: some brokers are down", a.topic)
	case errors.Is(err, kerr.InvalidTimestamp):
		return fmt.Sprintf("topic %q does not take records of this time: check this machine's clock and the topic's message.timestamp.after.max.ms", a.topic)
	case errors.Is(err, kerr.OffsetOutOfRange):
		return fmt.Sprintf("topic %q does not hold the wanted offset", a.topic)
	}
	return ""
}

// ofPermission says which right is missing.
func (a about) ofPermission(err error) string {
	who := "the client (it has no sasl settings)"
	if a.cluster.SASL != nil {
		who = fmt.Sprintf("user %q", a.cluster.SASL.Username)
		if a.cluster.SASL.Mechanism == saslOAuth {
			who = "the token's owner"
		}
	}
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Sprintf("%s may not %s topic %q: grant the operation in the cluster's ACLs", who, a.operation(), a.topic)
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return fmt.Sprintf("%s may not use the consumer group %q: grant READ on the group in the cluster's ACLs", who, a.group)
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return fmt.Sprintf("%s may not use the transactional id %q: grant WRITE on it in the cluster's ACLs", who, a.txn)
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Sprintf("%s may not %s on the cluster: grant the operation (IDEMPOTENT_WRITE, CREATE) in its ACLs", who, a.operation())
	}
	return ""
}

func (a about) operation() string {
	if a.does == "" {
		return "use"
	}
	return a.does
}

func (a about) ofTransaction(err error) string {
	switch {
	case errors.Is(err, kerr.InvalidTransactionTimeout):
		return "transaction_timeout is longer than the brokers' transaction.max.timeout.ms: make it shorter, or raise that"
	case errors.Is(err, kerr.UnsupportedVersion), errors.Is(err, kerr.UnsupportedForMessageFormat):
		return "the brokers are too old for this: Kafka 2.5 or later is needed"
	case fenced(err):
		return fmt.Sprintf("another instance has taken over the transactional id %q: it runs with the same pipeline name and sink name; stop one of the two, or give one another name", a.txn)
	case errors.Is(err, kerr.InvalidProducerIDMapping):
		return fmt.Sprintf("the brokers have forgotten the transactional id %q, unused for longer than their transactional.id.expiration.ms: a restart goes on where this run has stopped", a.txn)
	}
	return ""
}

func (a about) ofSASL(err error) string {
	s := a.cluster.SASL
	switch {
	case s != nil && s.Mechanism == saslOAuth && (ofToken(err) || errors.Is(err, kerr.SaslAuthenticationFailed)):
		return "the brokers refuse the token: check sasl.token or sasl.token_file, and whether it has expired"
	case errors.Is(err, kerr.UnsupportedSaslMechanism) && s != nil:
		return fmt.Sprintf("the brokers do not take sasl.mechanism %s on this port: use the one that they do", s.Mechanism)
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.IllegalSaslState):
		if s == nil {
			return "the brokers want SASL on this port: set sasl.mechanism, sasl.username and sasl.password"
		}
		return fmt.Sprintf("the brokers refuse user %q: check sasl.username, sasl.password and sasl.mechanism (%s)", s.Username, s.Mechanism)
	}
	return ""
}

// ofToken reports whether a broker has said what it has against a token, which
// the client does not expect it to (RFC 7628, 3.2.2).
func ofToken(err error) bool {
	return strings.Contains(err.Error(), "unexpected data in oauth response")
}

// ofConnection guesses: brokers that are talked to in a wrong way just hang up.
func (a about) ofConnection(err error) string {
	var eof *kgo.ErrFirstReadEOF
	var header tls.RecordHeaderError
	switch {
	case ofCertificate(err):
		return "the broker's certificate is not trusted: check tls.ca_file, tls.server_name, and that the address is one the certificate is for"
	case errors.As(err, &header):
		return "the broker does not speak TLS on this port: leave out tls, or use the port for TLS"
	case ofAlert(err):
		return "the broker has refused the TLS connection: check tls.cert_file and tls.key_file (it may want a certificate, or not trust this one)"
	case strings.Contains(err.Error(), "plaintext connection speaking to a tls endpoint"): // what came was an alert of TLS
		return "the broker wants TLS on this port: check " + a.suspects()
	case a.first && a.cluster.TLS != nil && timedOut(err):
		return "the broker does not answer to TLS: check that this port is one for TLS"
	case errors.As(err, &eof), a.first && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return "the broker has closed the connection without a word, which it does when the security settings are not its own: check " + a.suspects() + ", and that the port is the right one"
	}
	return ""
}

func (a about) suspects() string {
	tlsHint, saslHint := "tls (it is off; the port may want it)", "sasl (it is off; the port may want it)"
	if a.cluster.TLS != nil {
		tlsHint = "tls (it is on; the port may be for plain text)"
	}
	if a.cluster.SASL != nil {
		saslHint = "sasl (mechanism " + a.cluster.SASL.Mechanism + ", username, password)"
	}
	return tlsHint + " and " + saslHint
}

// fenced reports whether another producer has the transactional id now.
func fenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
}

// hopeless reports whether trying again cannot change the error of a
// connection.
func hopeless(err error) bool {
	if err == nil {
		return false
	}
	var header tls.RecordHeaderError
	var dns *net.DNSError
	return ofCertificate(err) || ofAlert(err) || ofToken(err) || errors.As(err, &header) ||
		errors.As(err, &dns) && dns.IsNotFound ||
		errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) || errors.Is(err, kerr.IllegalSaslState) ||
		errors.Is(err, kgo.ErrClientClosed)
}

// retriable reports whether what failed so may go well a little later.
func retriable(err error) bool {
	return err != nil && !hopeless(err) && !stopped(err) && (kerr.IsRetriable(err) || kgo.IsRetryableBrokerErr(err) || errors.As(err, new(*net.OpError)))
}

// stopped reports whether the error is only that somebody has ended the work.
func stopped(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed)
}

// ofCertificate reports whether the broker has shown a certificate that is not
// trusted.
func ofCertificate(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) ||
		errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.CertificateInvalidError))
}

// ofAlert reports whether the broker has refused the TLS connection.
func ofAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

func timedOut(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Timeout()
}
