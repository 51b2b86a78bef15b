package apptest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
	"github.com/llm-optimizer/processor/postgres/pgtest"
)

// serverPoints are those that a run with a broker and a database comes to.
var serverPoints = []string{
	"kafka/before-read-marker", "kafka/after-read-marker", "kafka/before-init", "kafka/after-init",
	"kafka/before-begin", "kafka/after-begin", "kafka/before-produce", "kafka/after-produce",
	"kafka/before-marker", "kafka/before-commit", "kafka/after-commit",
	"postgres/after-partition", "postgres/before-commit", "postgres/after-commit",
}

// TestDeathBesideServers kills the process on either side of each step that it
// takes with the broker and the database, one life after the other, and wants
// every window once in the end.
func TestDeathBesideServers(t *testing.T) {
	b, pg := kafkatest.Start(t), pgtest.Start(t)
	program, err := deadly()
	if err != nil {
		t.Fatal(err)
	}
	s := newKafkaSite(t, b, kafkaAndPostgres)
	s.program = program
	f, follower := newFeed(t, b, 500), newSightings()
	b.Follow(t, "out", func(r *kgo.Record) { follower.add(r.Value) })
	s.env = append(s.env, "DATABASE_URL="+pg.URL())
	plain := s.env
	ctx, cancel := context.WithCancel(t.Context())
	paced := make(chan error, 1)
	go func() { paced <- f.pace(ctx, 40, 10*time.Millisecond) }()
	for _, k := range []int{1, 3} {
		for _, point := range serverPoints {
			if k > 1 && (point == "postgres/after-partition" || point == "kafka/before-init" || point == "kafka/after-init" || point == "kafka/before-read-marker" || point == "kafka/after-read-marker") {
				continue // a start comes there once, or twice
			}
			s.env = append(plain[:len(plain):len(plain)], fmt.Sprint(killAt, point, ":", k))
			r := s.start(t)
			if code := r.code(t); code != -1 {
				t.Fatalf("to be killed at %s, for the %d. time: exit code %d\n%s", point, k, code, &r.err)
			}
		}
	}
	cancel()
	if err := <-paced; err != nil {
		t.Fatal(err)
	}
	s.env = plain
	drain(t, s, b, f, follower)
	tableOf(t, pg).compare(t, "the table", f)
}
