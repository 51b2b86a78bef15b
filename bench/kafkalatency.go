package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaLatencies prints how long results take, by rate and delivery.
func kafkaLatencies(ctx context.Context, o options, addr string) error {
	if err := createTopic(ctx, addr, "paced-events"); err != nil {
		return err
	}
	fmt.Println("From sending the event that closes a window to reading its results, committed records only; windows of 1 s.")
	fmt.Println()
	fmt.Println("| delivery | events/s | windows | results | p50 | p99 | max | CPU s a second |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, delivery := range []string{"exactly_once", "at_least_once"} {
		for _, rate := range []int{10_000, 50_000} {
			r, err := kafkaLatency(ctx, o, addr, delivery, rate)
			if err != nil {
				return fmt.Errorf("%s at %d events/s: %w", delivery, rate, err)
			}
			fmt.Printf("| %s | %s | %d | %s | %s | %s | %s | %.2f |\n", delivery, thousands(rate), r.windows, thousands(len(r.waits)),
				ms(quantile(r.waits, 0.50)), ms(quantile(r.waits, 0.99)), ms(quantile(r.waits, 1)), r.cpu.Seconds()/r.wall.Seconds())
		}
	}
	return nil
}

// kafkaLatency paces events into a topic and reads the results beside.
func kafkaLatency(ctx context.Context, o options, addr, delivery string, rate int) (latencyReport, error) {
	if err := os.RemoveAll(filepath.Join(o.out, "state-kafka")); err != nil {
		return latencyReport{}, err
	}
	name := fmt.Sprintf("paced-%s-%d", map[string]string{"exactly_once": "exactly", "at_least_once": "least"}[delivery], rate)
	if err := createTopic(ctx, addr, name); err != nil {
		return latencyReport{}, err
	}
	closed := &closings{at: map[int64]time.Time{}}
	seen, err := watch(addr, name, closed)
	if err != nil {
		return latencyReport{}, err
	}
	defer seen.stop()
	cmd := exec.CommandContext(ctx, o.binary, "--config", filepath.Join("bench", "kafka-latency.yaml"))
	cmd.Env = append(kafkaEnv(o, addr, name), "PROCESSOR_DELIVERY="+delivery)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return latencyReport{}, err
	}
	err = paceKafka(ctx, addr, rate, o.paceFor, closed)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if werr := cmd.Wait(); err == nil && werr != nil {
		err = fmt.Errorf("%w\n%s", werr, messages.Bytes())
	}
	if err != nil {
		return latencyReport{}, err
	}
	wall, state := time.Since(start), cmd.ProcessState
	waits, windows := seen.stop()
	slices.Sort(waits)
	return latencyReport{rate: rate, waits: waits, windows: windows, wall: wall, cpu: state.UserTime() + state.SystemTime()}, nil
}

// paceKafka sends events to the partitions in turn, as pace writes them.
func paceKafka(ctx context.Context, addr string, rate int, length time.Duration, closed *closings) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer c.Close()
	n := 0
	w := lineWriter(func(line []byte) {
		c.Produce(ctx, &kgo.Record{Topic: "paced-events", Partition: int32(n % kafkaParts), Value: bytes.Clone(line)}, nil)
		n++
	})
	// The first windows are those of a process that is starting.
	const warmUp = 5 * time.Second
	if err := pace(ctx, w, rate, warmUp, &closings{at: map[int64]time.Time{}}); err != nil {
		return err
	}
	if err := pace(ctx, w, rate, length, closed); err != nil {
		return err
	}
	return c.Flush(ctx)
}

// lineWriter calls a function with each line that is written.
type lineWriter func(line []byte)

func (w lineWriter) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		w(bytes.TrimSuffix(line, []byte{'\n'}))
	}
	return len(p), nil
}

// watcher reads results and notes how long each took.
type watcher struct {
	client *kgo.Client
	once   sync.Once
	done   chan struct{}
	waits  []time.Duration
	ends   map[int64]bool
}

func watch(addr, topic string, closed *closings) (*watcher, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	w := &watcher{client: c, done: make(chan struct{}), ends: map[int64]bool{}}
	go w.run(closed)
	return w, nil
}

func (w *watcher) run(closed *closings) {
	defer close(w.done)
	for {
		fetches := w.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		now := time.Now()
		fetches.EachRecord(func(r *kgo.Record) {
			var row struct {
				End time.Time `json:"window_end"`
			}
			if json.Unmarshal(r.Value, &row) != nil {
				return
			}
			if at, ok := closed.of(row.End.UnixNano()); ok {
				w.waits = append(w.waits, now.Sub(at))
				w.ends[row.End.UnixNano()] = true
			}
		})
	}
}

// stop ends reading and returns what was seen.
func (w *watcher) stop() (waits []time.Duration, windows int) {
	w.once.Do(w.client.Close)
	<-w.done
	return w.waits, len(w.ends)
}
