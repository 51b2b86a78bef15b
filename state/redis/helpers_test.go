package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/redis/redistest"
)

// storeAt is a store with times for tests.
func storeAt(url string) *Store {
	return &Store{URL: url, Prefix: "processor:test", Lease: 2 * time.Second, Patience: 20 * time.Second}
}

// openAt opens a store; it is closed when the test ends.
func openAt(t *testing.T, s *Store) *backend {
	t.Helper()
	b, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b.(*backend)
}

func closed(t *testing.T, b state.Backend) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func sets(pairs ...string) *state.Batch {
	b := new(state.Batch)
	for i := 0; i < len(pairs); i += 2 {
		b.Set([]byte(pairs[i]), []byte(pairs[i+1]))
	}
	return b
}

func apply(t *testing.T, b state.Backend, batches ...*state.Batch) {
	t.Helper()
	if err := b.Apply(t.Context(), batches...); err != nil {
		t.Fatal(err)
	}
}

// content is all that a backend holds.
func content(t *testing.T, b state.Backend) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := b.Scan(t.Context(), nil, nil, func(key, value []byte) error {
		got[string(key)] = string(value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantContent(t *testing.T, b state.Backend, want map[string]string) {
	t.Helper()
	if got := content(t, b); !maps.Equal(got, want) {
		t.Fatalf("the store holds %s, want %s", shortly(got), shortly(want))
	}
}

func shortly(m map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%q=%.20q", key, m[key]))
	}
	return fmt.Sprintf("%d keys %.500s", len(m), strings.Join(list, " "))
}

// wantError fails the test unless err is want and says all of the texts.
func wantError(t *testing.T, err, want error, texts ...string) {
	t.Helper()
	if err == nil || want != nil && !errors.Is(err, want) {
		t.Fatalf("the error is %v, want one that is %v", err, want)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error is %q, want one that says %q", err, text)
		}
	}
}

// wantFailed waits until a backend has failed.
func wantFailed(t *testing.T, b *backend, want error) {
	t.Helper()
	select {
	case <-b.Failed():
		wantError(t, b.Err(), want)
	case <-time.After(time.Minute):
		t.Fatal("the backend has not failed")
	}
}

// copiesAt lists the keys of copies.
func copiesAt(s *redistest.Server) string { return s.CLI("--scan", "--pattern", "*:copy:*") }

// logs collects log lines.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// within runs f and fails the test if it takes for ever.
func within(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f(ctx)
	if ctx.Err() != nil {
		t.Fatal("it has taken more than a minute")
	}
}
