package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Cluster is how a Kafka cluster is reached.
type Cluster struct {
	// Brokers are some of its brokers, HOST:PORT, by which the others are
	// found. A port that is left out is 9092.
	Brokers []string
	// ClientID is what brokers call the client in their logs and quotas. The
	// default is "processor".
	ClientID string
	// TLS encrypts; nil is plain text.
	TLS *TLS
	// SASL says who we are; nil is nobody.
	SASL *SASL
}

const (
	defaultPort     = "9092"
	defaultClientID = "processor"

	// contactPatience is how long a start waits for a first contact.
	contactPatience = 30 * time.Second
	// firstPause and longestPause bound the pauses between attempts.
	firstPause, longestPause = 100 * time.Millisecond, 2 * time.Second
	// metadataPause is the least time between two looks at who leads what:
	// after a broker has died it is what a new leader costs at most.
	metadataPause = 500 * time.Millisecond
)

// String names the cluster by its brokers.
func (c *Cluster) String() string { return strings.Join(c.Brokers, ",") }

// Validate reports the first setting that cannot be right. Files are not looked
// at.
func (c *Cluster) Validate() error {
	plain := *c
	plain.TLS = nil
	_, err := plain.options()
	return err
}

// options are what every client of the cluster is made with. An error names
// the setting and what would be right.
func (c *Cluster) options() ([]kgo.Opt, error) {
	seeds, err := c.seeds()
	if err != nil {
		return nil, err
	}
	id := c.ClientID
	if id == "" {
		id = defaultClientID
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(seeds...),
		kgo.ClientID(id),
		kgo.DisableClientMetrics(),
		kgo.RetryBackoffFn(backoff),
		kgo.MetadataMinAge(metadataPause),
		// A connection that ends at once may be a wrong setting, or a broker
		// that starts or a proxy without one: while running it is tried again.
		kgo.AlwaysRetryEOF(),
	}
	dial, err := c.TLS.dialer()
	if err != nil {
		return nil, err
	}
	if dial != nil {
		opts = append(opts, kgo.Dialer(dial))
	}
	mechanism, err := c.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

// seeds are the brokers with their ports.
func (c *Cluster) seeds() ([]string, error) {
	if len(c.Brokers) == 0 {
		return nil, errors.New("kafka brokers: none is given, want a list of HOST:PORT such as localhost:9092")
	}
	seeds := make([]string, 0, len(c.Brokers))
	for _, broker := range c.Brokers {
		host, port, err := net.SplitHostPort(broker)
		if err != nil { // perhaps there is no port
			host, port, err = net.SplitHostPort(net.JoinHostPort(strings.Trim(broker, "[]"), defaultPort))
		}
		n, portErr := strconv.ParseUint(port, 10, 16)
		if err != nil || portErr != nil || n == 0 || host == "" || strings.ContainsAny(host, "/ \t,@") {
			return nil, fmt.Errorf("kafka brokers: %q is no address, want HOST:PORT such as localhost:9092", broker)
		}
		seeds = append(seeds, net.JoinHostPort(host, port))
	}
	return seeds, nil
}

// connect makes a client and waits until a broker has answered it: a cluster
// that is just starting is waited for, a wrong password is not.
func (c *Cluster) connect(ctx context.Context, logger *slog.Logger, health *Health, more ...kgo.Opt) (*kgo.Client, error) {
	client, err := c.client(logger, health, more...)
	if err != nil {
		return nil, err
	}
	if err := c.contact(ctx, client, contactPatience); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// client makes a client, which does not connect yet.
func (c *Cluster) client(logger *slog.Logger, health *Health, more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	opts = append(opts, kgo.WithLogger(clientLog{logger, health}))
	if health != nil {
		health.watch(c, logger)
		opts = append(opts, kgo.WithHooks(health), kgo.RetryBackoffFn(health.backoff))
	}
	client, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("make a client for kafka at %s: %w", c, c.clean(err))
	}
	return client, nil
}

// contact waits for an answer of any broker.
func (c *Cluster) contact(ctx context.Context, client *kgo.Client, patience time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for n := 1; ; n++ {
		err := client.Ping(bounded)
		if err == nil {
			return nil
		}
		if last == nil || bounded.Err() == nil && !timedOut(err) { // else it says no more than that time is up
			last = err
		}
		if hopeless(last) {
			return fmt.Errorf("connect to kafka at %s: %w", c, c.explain(last))
		}
		pause(bounded, backoff(n))
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("connect to kafka at %s: %w (last: %w)", c, context.Cause(ctx), c.explain(last))
		case bounded.Err() != nil:
			return fmt.Errorf("connect to kafka at %s: no broker has answered for %s; check the addresses and that the brokers run: %w", c, patience, c.explain(last))
		}
	}
}

// explain is what kept a first contact from coming about.
func (c *Cluster) explain(err error) error { return about{cluster: c, first: true}.explain(err) }

// same reports whether two clusters are reached in the same way.
func (c *Cluster) same(other *Cluster) bool {
	return slices.Equal(c.Brokers, other.Brokers) && c.ClientID == other.ClientID &&
		sameSettings(c.TLS, other.TLS) && sameSettings(c.SASL, other.SASL)
}

func sameSettings[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// backoff is the pause before the n-th repetition: 100 ms, doubled up to two
// seconds, and somewhere in its upper half so that clients do not march in step.
func backoff(n int) time.Duration {
	d := min(firstPause<<min(max(n-1, 0), 10), longestPause)
	return d/2 + rand.N(d/2)
}

// pause waits for a time or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// clientLog takes what the client library says for the log, at level debug:
// what a user has to know is said by errors and by Health, which listens when it
// has to find out why nothing comes about.
type clientLog struct {
	to     *slog.Logger
	health *Health // may be nil
}

func (l clientLog) Level() kgo.LogLevel {
	switch {
	case l.health != nil && l.health.listening.Load():
		return kgo.LogLevelDebug
	case l.to == nil || !l.to.Enabled(context.Background(), slog.LevelDebug):
		return kgo.LogLevelNone
	}
	return kgo.LogLevelInfo
}

func (l clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	if l.health != nil && l.health.listening.Load() {
		l.health.said(msg, keyvals)
	}
	if l.to != nil && level <= kgo.LogLevelInfo {
		l.to.Debug("kafka client: "+msg, keyvals...)
	}
}
