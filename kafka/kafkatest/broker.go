package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Broker is a broker, its address and its files. It ends with the test.
type Broker struct {
	// Dir is where it keeps its files.
	Dir string

	jars       string
	addr       string
	controller string
	// through is the address that clients are told, if it is not addr.
	through   string
	listeners []listener
	settings  []string
	scram     []string
	slowly    bool // without the compiler's quick start

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	log  *os.File
}

// Option changes how a broker is started.
type Option func(*Broker)

// Advertised tells clients another address than the broker's: that of a proxy
// before it.
func Advertised(addr string) Option { return func(b *Broker) { b.through = addr } }

// Setting adds a line NAME=VALUE to the broker's configuration.
func Setting(line string) Option { return func(b *Broker) { b.settings = append(b.settings, line) } }

// ForBenchmarks lets the broker run as in production, where tests prefer that
// it starts quickly.
func ForBenchmarks() Option { return func(b *Broker) { b.slowly = true } }

// patience is how long a broker may take to start.
const patience = 2 * time.Minute

// Start starts a broker for a test, which is skipped where there is none.
func Start(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	b, err := Run(opts...)
	switch {
	case errors.Is(err, ErrMissing):
		t.Skipf("SKIPPED kafka: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the broker says:\n%s", b.Log())
		}
		b.Close()
	})
	return b
}

// ErrMissing says that no broker is installed.
var ErrMissing = errors.New("no kafka broker is installed")

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
	if b.Dir, err = os.MkdirTemp(scratch(), "processor-kafka"); err != nil {
		return nil, err
	}
	// Somebody may take a port between our look and the broker's.
	for range 3 {
		if err = b.begin(); err == nil {
			return b, nil
		}
		b.Kill()
		_ = os.RemoveAll(filepath.Join(b.Dir, "data"))
	}
	err = fmt.Errorf("kafka does not start: %w\n%s", err, b.Log())
	b.Close()
	return nil, err
}

// scratch is a folder in memory where there is one.
func scratch() string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" {
		return memory
	}
	return ""
}

// begin takes ports, formats the data and starts.
func (b *Broker) begin() error {
	b.addr, b.controller = freeAddr(), freeAddr()
	for i := range b.listeners {
		b.listeners[i].addr = freeAddr()
	}
	if err := b.write(); err != nil {
		return err
	}
	args := []string{"kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", filepath.Join(b.Dir, "server.properties")}
	for _, user := range b.scram {
		args = append(args, "--add-scram", user)
	}
	format := b.java("128m", args...)
	if out, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("formatting the data: %w\n%s", err, out)
	}
	return b.launch()
}

// java is a command of the broker's jars.
func (b *Broker) java(heap string, args ...string) *exec.Cmd {
	jvm := []string{"-Xmx" + heap, "-Xshare:auto", "-XX:+UseSerialGC", "-cp", filepath.Join(b.jars, "*"), "-Dlog4j2.configurationFile=" + filepath.Join(b.Dir, "log4j2.yaml")}
	if !b.slowly {
		jvm = append(jvm, "-XX:TieredStopAtLevel=1")
	}
	cmd := exec.Command("java", append(jvm, args...)...)
	cmd.SysProcAttr = dieWithParent()
	return cmd
}

// launch starts the process and waits until it answers.
func (b *Broker) launch() error {
	var err error
	if b.log, err = os.OpenFile(filepath.Join(b.Dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return err
	}
	heap := "512m"
	if b.slowly {
		heap = "1g"
	}
	b.cmd = b.java(heap, "kafka.Kafka", filepath.Join(b.Dir, "server.properties"))
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	if err := b.cmd.Start(); err != nil {
		return err
	}
	b.done = make(chan struct{})
	go func() {
		defer close(b.done)
		_ = b.cmd.Wait()
		_ = b.log.Close()
	}()
	return b.answer()
}

// answer waits until the broker answers clients, at its own address.
func (b *Broker) answer() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", b.addr)
		if err == nil {
			_ = conn.Close()
			if err = b.ping(ctx); err == nil {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-b.done:
			return errors.New("the broker has ended")
		case <-ctx.Done():
			return fmt.Errorf("no answer from the broker: %w", err)
		}
	}
}

// ping asks the broker for anything that it answers when it is ready.
func (b *Broker) ping(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.RetryTimeout(time.Second))
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
func (b *Broker) Kill() { b.end(syscall.SIGKILL) }

// Stop ends the broker in order.
func (b *Broker) Stop() { b.end(syscall.SIGTERM) }

func (b *Broker) end(sig syscall.Signal) {
	if b.done == nil {
		return
	}
	_ = b.cmd.Process.Signal(sig)
	if sig != syscall.SIGKILL {
		t := time.AfterFunc(patience, func() { _ = b.cmd.Process.Kill() })
		defer t.Stop()
	}
	<-b.done
}

// Pause stops the broker in its tracks, until Continue.
func (b *Broker) Pause() { _ = b.cmd.Process.Signal(syscall.SIGSTOP) }

// Continue lets a paused broker go on.
func (b *Broker) Continue() { _ = b.cmd.Process.Signal(syscall.SIGCONT) }

// Restart starts a broker that has ended again, on its data and its ports.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	if err := b.launch(); err != nil {
		t.Fatalf("kafka does not start again: %v\n%s", err, b.Log())
	}
}

// Log is the end of what the broker has logged.
func (b *Broker) Log() string {
	const most = 8 << 10
	text, _ := os.ReadFile(filepath.Join(b.Dir, "log")) // there may be none yet
	return string(bytes.ToValidUTF8(text[max(0, len(text)-most):], nil))
}

// Close ends the broker and removes its files.
func (b *Broker) Close() {
	b.Kill()
	_ = os.RemoveAll(b.Dir)
}

// freeAddr is a loopback address that nobody listens on now.
func freeAddr() string {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}
