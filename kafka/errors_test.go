package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestErrorsSayWhatToDo(t *testing.T) {
	user := &Cluster{Brokers: []string{"a:1"}, SASL: &SASL{Mechanism: "plain", Username: "me"}}
	a := about{cluster: user, does: "write", topic: "out", group: "g", txn: "p/s"}
	for _, c := range []struct {
		err  error
		says []string
	}{
		{kerr.UnknownTopicOrPartition, []string{`topic "out" does not exist at a:1`, "create it"}},
		{kerr.TopicAuthorizationFailed, []string{`user "me" may not write topic "out"`, "ACL"}},
		{kerr.GroupAuthorizationFailed, []string{`group "g"`, "READ"}},
		{kerr.TransactionalIDAuthorizationFailed, []string{`transactional id "p/s"`, "WRITE"}},
		{kerr.ClusterAuthorizationFailed, []string{"cluster", "IDEMPOTENT_WRITE"}},
		{kerr.MessageTooLarge, []string{`topic "out"`, "max.message.bytes"}},
		{kerr.RecordListTooLarge, []string{"max.message.bytes"}},
		{kerr.UnsupportedVersion, []string{"too old", "2.5"}},
		{kerr.InvalidPartitions, []string{"1 or more"}},
		{kerr.InvalidReplicationFactor, []string{"brokers"}},
		{kerr.PolicyViolation, []string{"administrator"}},
		{kerr.InvalidTopicException, []string{"249"}},
		{kerr.InvalidTimestamp, []string{"clock"}},
		{kerr.NotEnoughReplicas, []string{"min.insync.replicas"}},
		{kerr.LeaderNotAvailable, []string{`topic "out"`, "no leader"}},
		{kerr.OffsetOutOfRange, []string{"offset"}},
		{kerr.InvalidTransactionTimeout, []string{"transaction.max.timeout.ms"}},
		{kerr.ProducerFenced, []string{"another instance", `"p/s"`}},
		{kerr.InvalidProducerIDMapping, []string{"forgotten", "restart"}},
		{kerr.SaslAuthenticationFailed, []string{`user "me"`, "sasl.password"}},
		{&kgo.ErrFirstReadEOF{}, []string{"closed the connection", "tls (it is off", "sasl (mechanism plain"}},
		{io.ErrNoProgress, []string{io.ErrNoProgress.Error()}},
	} {
		err := a.explain(fmt.Errorf("deep inside: %w", c.err))
		says(t, err, append(c.says, c.err.Error())...)
		if !errors.Is(err, c.err) {
			t.Errorf("%v is no %v", err, c.err)
		}
	}
	says(t, about{cluster: &Cluster{}, topic: "in"}.explain(kerr.TopicAuthorizationFailed), "no sasl settings", "may not use")
	says(t, about{cluster: &Cluster{}}.explain(kerr.SaslAuthenticationFailed), "want SASL")
	if err := a.explain(nil); err != nil {
		t.Errorf("nothing is explained as %v", err)
	}
	if err := a.explain(io.EOF); err != io.EOF {
		t.Errorf("a connection that ends while running is explained as %v", err)
	}
}

func TestWhatPasses(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, err := range []error{kerr.NotLeaderForPartition, kerr.CoordinatorNotAvailable, io.EOF, refused} {
		if !retriable(err) || hopeless(err) {
			t.Errorf("%v does not pass", err)
		}
	}
	for _, err := range []error{nil, kerr.TopicAuthorizationFailed, kerr.SaslAuthenticationFailed, context.Canceled, kgo.ErrClientClosed, &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}} {
		if retriable(err) {
			t.Errorf("%v passes", err)
		}
	}
}

// TestContact: a broker that starts late is waited for; nobody there is said
// with the addresses and the last cause.
func TestContact(t *testing.T) {
	spare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := spare.Addr().(*net.TCPAddr).Port
	spare.Close()
	c := &Cluster{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", port)}}
	client, err := c.client(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	says(t, c.contact(t.Context(), client, 2*time.Second), c.Brokers[0], "no broker has answered for 2s", "connection refused")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, errors.New("called off"))
	defer cancel()
	says(t, c.contact(ctx, client, patient), "called off", "connection refused")

	done := make(chan error)
	go func() { done <- c.contact(t.Context(), client, patient) }()
	pause(t.Context(), 300*time.Millisecond)
	fakeBroker(t, kfake.Ports(port))
	if err := <-done; err != nil {
		t.Errorf("a broker that starts late: %v", err)
	}
	wantContact(t, &Cluster{Brokers: []string{"no-such-host.invalid:9092"}}, "no-such-host.invalid")
}

// TestHealth: trouble is known while it lasts.
func TestHealth(t *testing.T) {
	broker := fakeBroker(t)
	c := &Cluster{Brokers: broker.ListenAddrs()}
	var h Health
	client, err := c.connect(t.Context(), nil, &h)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := h.Trouble(); err != nil {
		t.Errorf("there is trouble: %v", err)
	}
	broker.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		return nil, io.EOF, true
	})
	if n := h.Retries(); n != 0 {
		t.Errorf("%d retries while all is well", n)
	}
	client.Ping(t.Context())
	since, err := h.Trouble()
	if err == nil || time.Since(since) > time.Minute {
		t.Errorf("no trouble is known, since %s", since)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		client.Request(ctx, kmsg.NewPtrMetadataRequest())
	}()
	eventually(t, "a request that gets no answer is tried again", func() bool { return h.Retries() > 0 })
	cancel()
	<-asked
}
