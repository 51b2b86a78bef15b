package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/internal/servertest"
)

// Broker is a broker, its addresses and its files.
type Broker struct {
	jars   string
	folder *servertest.Folder
	// addr is for clients, internal for the broker itself and for what this
	// package asks it, controller for its other role.
	addr, internal, controller string
	// through is the address that clients are told, if it is not addr.
	through   string
	listeners []listener
	settings  []string
	secured   bool
	certs     *servertest.Certificates
	fullSpeed bool

	process *servertest.Process
}

// Option changes how a broker is started.
type Option func(*Broker)

// Advertised tells clients another address than the broker's: that of a proxy
// before it.
func Advertised(addr string) Option { return func(b *Broker) { b.through = addr } }

// Setting adds a line NAME=VALUE to the broker's configuration. It wins over
// what tests get without.
func Setting(line string) Option { return func(b *Broker) { b.settings = append(b.settings, line) } }

// ForBenchmarks lets the broker run as fast as in production, where tests
// prefer that it starts quickly.
func ForBenchmarks() Option { return func(b *Broker) { b.fullSpeed = true } }

// Start starts a broker that ends with the test. The test is skipped where
// there is none.
func Start(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	b, err := Run(opts...)
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the broker says:\n%s", b.Log())
		}
		b.Close()
	})
	return b
}

// missing skips a test for which there is no broker, or fails it.
func missing(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrMissing) {
		t.Skipf("SKIPPED kafka: %v", err)
	}
	t.Fatal(err)
}

// Run starts a broker that Close ends.
func Run(opts ...Option) (*Broker, error) {
	jars, err := installed()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	b := &Broker{jars: jars}
	for _, o := range opts {
		o(b)
	}
	if b.folder, err = servertest.NewFolder("processor-kafka"); err != nil {
		return nil, err
	}
	// Somebody may take a port between our look and the broker's.
	for range 3 {
		if err = b.begin(); err == nil {
			return b, nil
		}
		b.Kill()
		_ = os.RemoveAll(b.data()) // else formatting it says so
	}
	err = fmt.Errorf("starting kafka: %w\n%s", err, b.Log())
	b.Close()
	return nil, err
}

// begin takes ports, formats the data and starts.
func (b *Broker) begin() error {
	if err := b.secure(); err != nil {
		return err
	}
	if err := b.takePorts(); err != nil {
		return err
	}
	if err := b.write(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), servertest.Patience)
	defer cancel()
	args := []string{"kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", b.folder.File(propertiesFile)}
	for _, user := range b.scramUsers() {
		args = append(args, "--add-scram", user)
	}
	if _, err := servertest.Run(b.java(ctx, "128m", args...)); err != nil {
		return fmt.Errorf("formatting the data: %w", err)
	}
	return b.launch()
}

func (b *Broker) takePorts() error {
	addrs := []*string{&b.addr, &b.internal, &b.controller}
	for i := range b.listeners {
		addrs = append(addrs, &b.listeners[i].addr)
	}
	for _, addr := range addrs {
		var err error
		if *addr, err = servertest.FreeAddr(); err != nil {
			return err
		}
	}
	return nil
}

// java runs a class of the broker's jars.
func (b *Broker) java(ctx context.Context, heap string, args ...string) *exec.Cmd {
	jvm := []string{
		"-Xmx" + heap, "-Xshare:auto", "-XX:+UseSerialGC", "-XX:-UsePerfData",
		// What is unpacked there a killed broker does not remove.
		"-Djava.io.tmpdir=" + b.folder.Path,
		"-cp", filepath.Join(b.jars, "*"), "-Dlog4j2.configurationFile=" + b.folder.File(log4jFile),
	}
	if !b.fullSpeed {
		jvm = append(jvm, "-XX:TieredStopAtLevel=1")
	}
	return exec.CommandContext(ctx, "java", append(jvm, args...)...)
}

// launch starts the process and waits until it answers.
func (b *Broker) launch() error {
	heap := "512m"
	if b.fullSpeed {
		heap = "1g"
	}
	var err error
	b.process, err = servertest.Start(b.java(context.Background(), heap, "kafka.Kafka", b.folder.File(propertiesFile)), b.folder.File("log"))
	if err != nil {
		return err
	}
	return b.process.Answers(b.ping)
}

// ping asks the broker for anything; it answers when it is ready.
func (b *Broker) ping(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.internal), kgo.RetryTimeout(time.Second), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return client.Ping(ctx)
}

// Addr is HOST:PORT of the broker itself.
func (b *Broker) Addr() string { return b.addr }

// Brokers is what clients are to be given.
func (b *Broker) Brokers() []string { return []string{b.advertised()} }

func (b *Broker) advertised() string {
	if b.through != "" {
		return b.through
	}
	return b.addr
}

// Kill ends the broker as by a crash.
func (b *Broker) Kill() { b.process.Kill() }

// Stop ends the broker in order.
func (b *Broker) Stop() { b.process.End(syscall.SIGTERM) }

// Pause stops the broker in its tracks, until Continue.
func (b *Broker) Pause() { b.process.Pause() }

// Continue lets a paused broker go on.
func (b *Broker) Continue() { b.process.Continue() }

// Restart kills the broker, if it runs, and starts it again on its data and its
// ports.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	b.Kill()
	if err := b.launch(); err != nil {
		t.Fatalf("kafka does not start again: %v\n%s", err, b.Log())
	}
}

// Log is the end of what the broker has logged.
func (b *Broker) Log() string { return b.folder.Tail("log") }

// Close ends the broker and removes its files.
func (b *Broker) Close() {
	b.Kill()
	b.folder.Remove()
}
