package kafkatest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// values are a topic's values, as PARTITION:VALUE.
func values(t testing.TB, b *Broker, topic string) []string {
	t.Helper()
	var got []string
	for _, r := range b.ReadCommitted(t, topic) {
		got = append(got, fmt.Sprintf("%d:%s", r.Partition, r.Value))
	}
	return got
}

func TestBrokerKeepsItsData(t *testing.T) {
	b := Start(t)
	b.CreateTopic(t, "a", 2, nil)
	var want []string
	for name, end := range map[string]func(){"kill": b.Kill, "stop": b.Stop, "restart": func() {}} {
		b.Produce(t, "a", 1, name)
		want = append(want, "1:"+name)
		end()
		b.Restart(t)
	}
	b.Produce(t, "a", 0, "last")
	if got := values(t, b, "a"); !slices.Equal(got, append([]string{"0:last"}, want...)) {
		t.Errorf("it holds %q, want %q", got, want)
	}
}

func TestPausedBrokerIsSilent(t *testing.T) {
	b := Start(t)
	b.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := b.ping(ctx); err == nil {
		t.Error("a paused broker answers")
	}
	b.Continue()
	b.CreateTopic(t, "a", 1, nil)
	b.Pause()
	b.Restart(t)
	b.Produce(t, "a", 0, "x")
}

func TestTopics(t *testing.T) {
	b := Shared(t)
	if b != Shared(t) {
		t.Fatal("there is more than one shared broker")
	}
	b.CreateTopic(t, "grown", 1, map[string]string{"max.message.bytes": "100"})
	b.AddPartitions(t, "grown", 3)
	b.Produce(t, "grown", 2, "x")
	if err := produceTo(t, b, strings.Repeat(rand.Text(), 50)); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("the topic has not its configuration: %v", err)
	}
	b.DeleteTopic(t, "grown")
	b.CreateTopic(t, "grown", 2, nil)
	if got := values(t, b, "grown"); got != nil {
		t.Errorf("a new topic holds %q", got)
	}
	b.Produce(t, "grown", 0, "a", "b", "c")
	b.Produce(t, "grown", 1, "d")
	b.DeleteRecords(t, "grown", 0, 2)
	b.DeleteRecords(t, "grown", 1, 1)
	if got := values(t, b, "grown"); !slices.Equal(got, []string{"0:c"}) {
		t.Errorf("after some were deleted it holds %q", got)
	}
	if at := b.GroupOffset(t, "nobody", "grown", 0); at != -1 {
		t.Errorf("a group without offsets is at %d", at)
	}
}

func produceTo(t testing.TB, b *Broker, value string) error {
	t.Helper()
	c := b.client(t, kgo.DefaultProduceTopic("grown"))
	defer c.Close()
	return c.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr()
}

func TestOnlyWhatIsCommittedIsRead(t *testing.T) {
	b := Shared(t)
	b.CreateTopic(t, "transactions", 1, nil)
	var mu sync.Mutex
	var followed []string
	f := b.Follow(t, "transactions", func(r *kgo.Record) {
		mu.Lock()
		defer mu.Unlock()
		followed = append(followed, string(r.Value))
	})
	c := b.client(t, kgo.TransactionalID("writer"), kgo.DefaultProduceTopic("transactions"))
	defer c.Close()
	write := func(value string, commit kgo.TransactionEndTry) {
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := c.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := c.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	write("one", kgo.TryCommit)
	write("never", kgo.TryAbort)
	write("two", kgo.TryCommit)
	write("never again", kgo.TryAbort)
	if got := values(t, b, "transactions"); !slices.Equal(got, []string{"0:one", "0:two"}) {
		t.Errorf("committed are %q", got)
	}
	eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Equal(followed, []string{"one", "two"})
	})
	f.Stop()
	f.Stop()
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	if until(ctx, func() error {
		if !ok() {
			return os.ErrDeadlineExceeded
		}
		return nil
	}) != nil {
		t.Fatal("it does not come")
	}
}

func TestBrokerThatCannotStartSaysWhy(t *testing.T) {
	Shared(t) // where there is none the test is skipped
	if _, err := Run(Setting("num.partitions=none")); err == nil || !strings.Contains(err.Error(), "num.partitions") {
		t.Errorf("it says %v", err)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	b, err := Run()
	if err != nil {
		missing(t, err)
	}
	path := b.folder.Path
	b.Close()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
	if b.process.Running() {
		t.Error("the process runs")
	}
}

// BenchmarkStart is how long tests wait for a broker.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		k, err := Run()
		if err != nil {
			missing(b, err)
		}
		k.Close()
	}
}
