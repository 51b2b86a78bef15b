package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
	"github.com/llm-optimizer/processor/secret"
	"github.com/llm-optimizer/processor/sink"
)

func TestSecurityOnKafka(t *testing.T) {
	broker := kafkatest.Start(t, kafkatest.Secured())
	files := broker.Certificates()
	trust := &TLS{CAFile: files.CA}
	both := &TLS{CAFile: files.CA, CertFile: files.ClientCert, KeyFile: files.ClientKey}
	password := func(mechanism, password string) *SASL {
		return &SASL{Mechanism: mechanism, Username: kafkatest.User, Password: secret.New(password)}
	}
	token := func(valid time.Duration) *SASL {
		return &SASL{Mechanism: "oauthbearer", Token: secret.New(kafkatest.Token(kafkatest.User, valid))}
	}
	for name, c := range map[string]struct {
		listener string
		tls      *TLS
		sasl     *SASL
		says     []string
	}{
		"tls":                     {kafkatest.ListenerTLS, trust, nil, nil},
		"mutual tls":              {kafkatest.ListenerMutualTLS, both, nil, nil},
		"plain":                   {kafkatest.ListenerSASL, nil, password("plain", kafkatest.Password), nil},
		"scram 256":               {kafkatest.ListenerSASL, nil, password("scram-sha-256", kafkatest.Password), nil},
		"scram 512":               {kafkatest.ListenerSASL, nil, password("scram-sha-512", kafkatest.Password), nil},
		"token":                   {kafkatest.ListenerSASL, nil, token(time.Hour), nil},
		"scram 512 and tls":       {kafkatest.ListenerSASLTLS, trust, password("scram-sha-512", kafkatest.Password), nil},
		"no certificate":          {kafkatest.ListenerMutualTLS, trust, nil, []string{"tls.cert_file"}},
		"not trusted":             {kafkatest.ListenerTLS, &TLS{}, nil, []string{"certificate is not trusted", "tls.ca_file"}},
		"plain text to tls":       {kafkatest.ListenerTLS, nil, nil, []string{"tls (it is off"}},
		"tls to plain text":       {kafkatest.ListenerSASL, trust, password("plain", kafkatest.Password), []string{"tls"}},
		"wrong password":          {kafkatest.ListenerSASL, nil, password("plain", canary), []string{"refuse user \"alice\"", "sasl.password"}},
		"wrong password of scram": {kafkatest.ListenerSASL, nil, password("scram-sha-256", canary), []string{"refuse user \"alice\"", "sasl.password"}},
		"an old token":            {kafkatest.ListenerSASL, nil, token(-time.Hour), []string{"refuse the token", "expired"}},
		"nobody":                  {kafkatest.ListenerSASL, nil, nil, []string{"sasl"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantContact(t, &Cluster{Brokers: []string{broker.ListenerAddr(c.listener)}, TLS: c.tls, SASL: c.sasl}, c.says...)
		})
	}

	// A sink writes through it, and says which right it lacks.
	brokers := broker.Brokers()
	topic := newTopic(t, brokers, 1)
	s := sinkAt([]string{broker.ListenerAddr(kafkatest.ListenerSASLTLS)}, topic)
	s.Cluster.TLS, s.Cluster.SASL = trust, password("scram-sha-512", kafkatest.Password)
	resumed(t, s, sink.Mark{}, 0)
	write(t, s, rows(0, 3))
	commit(t, s, 1)
	if n := len(heldInTheEnd(t, brokers, topic).IDs); n != 3 {
		t.Errorf("%d rows are seen, want 3", n)
	}
	broker.Deny(t, kadm.OpWrite, topic)
	err := s.Write(t.Context(), rows(3, 1))
	if err == nil {
		_, err = s.Commit(t.Context(), sink.Mark{Incarnation: incarnation, Epoch: 2})
	}
	says(t, err, `user "alice" may not write topic "`+topic+`"`, "ACL")
	s.shut()
	broker.DenyTransactions(t, "llm-health/denied")
	denied := sinkAt(s.Cluster.Brokers, newTopic(t, brokers, 1))
	denied.Cluster, denied.Name = s.Cluster, "denied"
	_, err = resume(t, denied, sink.Mark{}, 0, false)
	says(t, err, `user "alice" may not use the transactional id "llm-health/denied"`)
}
