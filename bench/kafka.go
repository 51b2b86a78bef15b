package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
)

// Kafka: a broker on this machine, which takes its share of the processors.

// kafkaEvents and kafkaParts are the size of the topic that is read.
const (
	kafkaEvents = 5_000_000
	kafkaParts  = 4
	// kafkaWarm is how many runs do not count: the broker is a JVM that has just
	// started, and compiles itself on the CPUs that are measured.
	kafkaWarm = 3
)

// measureKafka prints what reading from Kafka and writing to it costs.
func measureKafka(ctx context.Context, o options) error {
	b, err := kafkatest.Run(kafkatest.ForBenchmarks())
	if err != nil {
		return err
	}
	defer b.Close()
	addr := b.Brokers()[0]
	fmt.Println("Kafka: a broker beside it, state in pebble.")
	fmt.Println()
	if o.only.MatchString("w1") {
		if err := kafkaThroughput(ctx, o, addr); err != nil {
			return fmt.Errorf("throughput: %w", err)
		}
	}
	if o.paceFor <= 0 || !o.only.MatchString("latency") {
		return nil
	}
	return kafkaLatencies(ctx, o, addr)
}

// kafkaThroughput fills a topic and has the processor read it to its end.
func kafkaThroughput(ctx context.Context, o options, addr string) error {
	// In a process of its own: what this one takes would count as the peak of
	// the processor.
	fill := exec.CommandContext(ctx, os.Args[0], "-binary", o.binary, "-fill", addr)
	fill.Stdout, fill.Stderr = os.Stderr, os.Stderr
	if err := fill.Run(); err != nil {
		return fmt.Errorf("filling the topic: %w", err)
	}
	var samples []sample
	before := readTicks()
	for n := range o.runs + kafkaWarm {
		s, err := kafkaRun(ctx, o, addr, fmt.Sprint("bench-kafka-", n))
		if err != nil {
			return err
		}
		if n < kafkaWarm {
			continue
		}
		fmt.Fprintf(os.Stderr, "w1 from kafka: %s\n", s.wall.Round(time.Millisecond))
		samples = append(samples, s)
	}
	job := workload{name: "w1, exactly once", input: fmt.Sprintf("kafka, %d partitions, lz4", kafkaParts), workers: 2, events: kafkaEvents}
	printThroughput(os.Stdout, []workload{job}, [][]sample{samples}, o.runs, stolenSince(before))
	return nil
}

// kafkaEnv points a config at the broker.
func kafkaEnv(o options, addr, name string) []string {
	return append(os.Environ(),
		"PROCESSOR_NAME="+name, "PROCESSOR_SOURCE__KAFKA__BROKERS="+addr, "PROCESSOR_SINKS__0__KAFKA__BROKERS="+addr,
		"PROCESSOR_SINKS__0__KAFKA__TOPIC="+name, "PROCESSOR_STATE__PATH="+filepath.Join(o.out, "state-kafka"))
}

// kafkaRun reads the whole topic once, with a new state and a new output.
func kafkaRun(ctx context.Context, o options, addr, name string) (sample, error) {
	if err := os.RemoveAll(filepath.Join(o.out, "state-kafka")); err != nil {
		return sample{}, err
	}
	cmd := exec.CommandContext(ctx, o.binary, "--config", filepath.Join("bench", "kafka.yaml"))
	cmd.Env = kafkaEnv(o, addr, name)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, messages.Bytes())
	}
	results, err := countCommitted(ctx, addr, name)
	if err != nil {
		return sample{}, err
	}
	state := cmd.ProcessState
	return sample{wall: wall, cpu: state.UserTime() + state.SystemTime(), rss: peakRSS(state), results: results}, nil
}

// countCommitted reads a topic until nothing more comes.
func countCommitted(ctx context.Context, addr, topic string) (n int, err error) {
	const quiet = 2 * time.Second
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for {
		within, cancel := context.WithTimeout(ctx, quiet)
		fetches := c.PollFetches(within)
		cancel()
		if fetches.NumRecords() == 0 {
			return n, ctx.Err()
		}
		n += fetches.NumRecords()
	}
}

// fillTopic makes the topic of the throughput run: events as the generator
// writes them, dealt out to the partitions in turn.
func fillTopic(ctx context.Context, o options, addr string) (err error) {
	if err := createTopic(ctx, addr, "bench-events"); err != nil {
		return err
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(20*time.Millisecond), kgo.ProducerBatchMaxBytes(1<<20))
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintln(os.Stderr, "filling the topic")
	events := exec.CommandContext(ctx, o.binary, "generate", "--events", strconv.Itoa(kafkaEvents))
	out, err := events.StdoutPipe()
	if err != nil {
		return err
	}
	if err := events.Start(); err != nil {
		return err
	}
	var failed error
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	for i := 0; lines.Scan(); i++ {
		c.Produce(ctx, &kgo.Record{Topic: "bench-events", Partition: int32(i % kafkaParts), Value: bytes.Clone(lines.Bytes())},
			func(_ *kgo.Record, err error) {
				if err != nil {
					failed = err // promises come one after the other
				}
			})
	}
	err = errors.Join(lines.Err(), c.Flush(ctx), events.Wait())
	return errors.Join(err, failed)
}

// createTopic makes a topic with the partitions of all topics here.
func createTopic(ctx context.Context, addr, topic string) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = kadm.NewClient(c).CreateTopic(ctx, kafkaParts, 1, nil, topic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	return err
}
