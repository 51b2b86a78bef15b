package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/redis/redistest"
)

// TestServerLosesSomething: what the server has lost is found out, wherever it
// is missed first.
func TestServerLosesSomething(t *testing.T) {
	for _, c := range []struct {
		name string
		lose []string
		says string
	}{
		{"everything", []string{"flushall"}, "lost the store"},
		{"the keys", []string{"del", "{processor:test}:keys"}, "of 3 keys the server has 0, and 3 values"},
		{"a value", []string{"hdel", "{processor:test}:values", "b"}, "of 3 keys the server has 3, and 2 values"},
		{"keys and values", []string{"del", "{processor:test}:keys", "{processor:test}:values"}, "of 3 keys the server has 0, and 0 values"},
		{"the last Apply", []string{"hset", "{processor:test}:meta", "applied", "1"}, "at Apply 1, this instance at 2"},
		{"its kind", []string{"set", "{processor:test}:keys", "x"}, "another kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := redistest.Start(t)
			b := openAt(t, storeAt(server.URL()))
			apply(t, b, sets("a", "1", "b", "1"))
			apply(t, b, sets("c", "1"))
			server.CLI(c.lose...)
			wantError(t, b.Apply(t.Context(), sets("d", "1")), state.ErrCorrupt, c.says, "apply to the state in redis://")
			wantFailed(t, b, state.ErrCorrupt)
			_ = b.Close() // the lease may be lost as well
			if c.name == "everything" || c.name == "the last Apply" {
				return // nothing is left that could tell
			}
			_, err := storeAt(server.URL()).Open(t.Context())
			wantError(t, err, state.ErrCorrupt, "open the state in redis://")
			_, err = storeAt(server.URL()).View(t.Context(), "")
			wantError(t, err, state.ErrCorrupt)
		})
	}
}

func TestMetaIsLost(t *testing.T) {
	server := redistest.Start(t)
	b := openAt(t, storeAt(server.URL()))
	apply(t, b, sets("a", "1"))
	closed(t, b)
	server.CLI("del", "{processor:test}:meta")
	_, err := storeAt(server.URL()).Open(t.Context())
	wantError(t, err, state.ErrCorrupt)
	aside, err := storeAt(server.URL()).Reset(t.Context())
	if err != nil || server.CLI("hget", aside+":values", "a") != "1" {
		t.Errorf("Reset says %q, %v: what is left is not there", aside, err)
	}
	wantContent(t, openAt(t, storeAt(server.URL())), map[string]string{})
}

func TestValueIsMissing(t *testing.T) {
	server := redistest.Start(t)
	b := openAt(t, storeAt(server.URL()))
	apply(t, b, sets("a", "1", "b", "1"))
	server.CLI("hdel", "{processor:test}:values", "b")
	server.CLI("hset", "{processor:test}:values", "other", "1")
	err := b.Scan(t.Context(), nil, nil, func(_, _ []byte) error { return nil })
	wantError(t, err, state.ErrCorrupt, "key 62 has no value")
}

func TestOtherFormat(t *testing.T) {
	server := redistest.Start(t)
	closed(t, openAt(t, storeAt(server.URL())))
	server.CLI("hset", "{processor:test}:meta", "format", "2")
	_, err := storeAt(server.URL()).Open(t.Context())
	wantError(t, err, state.ErrVersion, `format "2"`, `reads "1"`)
	_, err = storeAt(server.URL()).View(t.Context(), "")
	wantError(t, err, state.ErrVersion)
	if server.CLI("exists", "{processor:test}:lease") != "0" {
		t.Error("the store is taken")
	}
}

func TestServersThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		args, says string
	}{
		{"--maxmemory-policy allkeys-lru", "maxmemory-policy is allkeys-lru"},
		{"--maxmemory-policy volatile-ttl", "set it to noeviction"},
		{"--replicaof 127.0.0.1 1", "replica of 127.0.0.1:1"},
		{"--requirepass secret", "write the password into the URL"},
	} {
		server := redistest.Start(t, strings.Fields(c.args)...)
		_, err := storeAt(server.URL()).Open(t.Context())
		wantError(t, err, nil, c.says)
	}
	old := &server{info: map[string]string{"redis_version": "6.0.16"}}
	wantError(t, old.checkVersion(), nil, "6.0.16", "6.2 or newer")
	for _, version := range []string{"6.2.0", "7.0.15", "10.0", "unknown", ""} {
		if err := (&server{info: map[string]string{"redis_version": version}}).checkVersion(); err != nil {
			t.Errorf("version %q is refused: %v", version, err)
		}
	}
}

func TestServersThatForget(t *testing.T) {
	for args, says := range map[string]string{
		"--appendonly no":        "writes no append-only file",
		"--appendfsync everysec": "appendfsync always prevents it",
	} {
		var lines logs
		s := storeAt(redistest.Start(t, strings.Fields(args)...).URL())
		s.Logger = lines.logger()
		closed(t, openAt(t, s))
		if !strings.Contains(lines.String(), says) {
			t.Errorf("%s: the log says %s", args, &lines)
		}
	}
}

func TestServerWithoutMemory(t *testing.T) {
	server := redistest.Start(t)
	b := openAt(t, storeAt(server.URL()))
	large := strings.Repeat("x", 4<<20)
	apply(t, b, sets("a", large))
	server.CLI("config", "set", "maxmemory", "8mb")
	wantError(t, b.Checkpoint(t.Context(), "c"), nil, "drop a checkpoint")
	_, err := storeAt(server.URL()).View(t.Context(), "")
	wantError(t, err, state.ErrInUse, "MiB of memory")
	server.CLI("config", "set", "maxmemory", "4mb")
	wantError(t, b.Apply(t.Context(), sets("a", "1", "b", "2")), nil, "maxmemory is reached: give it more")
	b.writer.mu.Lock()
	if len(b.writer.conns) > 0 {
		t.Error("a connection in the middle of a transaction is kept")
	}
	b.writer.mu.Unlock()
	_ = b.Close()
	server.CLI("config", "set", "maxmemory", "0")
	wantContent(t, openAt(t, storeAt(server.URL())), map[string]string{"a": large})
}

func TestTooLargeForTheServer(t *testing.T) {
	server := redistest.Start(t, "--client-query-buffer-limit", "1mb")
	b := openAt(t, storeAt(server.URL()))
	err := b.Apply(t.Context(), sets("a", strings.Repeat("x", 600<<10), "b", strings.Repeat("x", 600<<10)))
	wantError(t, err, nil, "client-query-buffer-limit of 1 MiB")
	apply(t, b, sets("a", strings.Repeat("x", 800<<10)))
}

// TestSilentServer: a server that is there and says nothing is given up, and a
// context that ends is obeyed at once.
func TestSilentServer(t *testing.T) {
	server := redistest.Start(t)
	s := storeAt(server.URL())
	s.Patience = time.Hour
	b := openAt(t, s)
	apply(t, b, sets("a", "1"))
	goOn := server.Stall()
	defer goOn()
	within(t, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_, err := b.Get(ctx, []byte("a"))
		wantError(t, err, context.DeadlineExceeded)
		ctx, cancel = context.WithCancel(t.Context())
		context.AfterFunc(ctx, cancel)
		time.AfterFunc(100*time.Millisecond, cancel)
		wantError(t, b.Apply(ctx, sets("a", "2")), context.Canceled)
	})
	wantFailed(t, b, context.Canceled)
	_ = b.Close() // cannot give back the lease
	s.Patience = time.Second
	_, err := s.Checkpoints(t.Context())
	wantError(t, err, nil, "gave up after 1s")
	goOn()
	b = openAt(t, storeAt(server.URL()))
	if got, err := b.Get(t.Context(), []byte("a")); err != nil || string(got) != "1" && string(got) != "2" {
		t.Errorf("after it all a is %q, %v", got, err)
	}
}

// TestServerIsGone: a backend that does nothing fails as well.
func TestServerIsGone(t *testing.T) {
	server := redistest.Start(t)
	s := storeAt(server.URL())
	s.Lease, s.Patience = 200*time.Millisecond, 300*time.Millisecond
	b := openAt(t, s)
	server.Kill()
	wantFailed(t, b, nil)
	wantError(t, b.Err(), nil, "renew the lease", "gave up after 300ms")
	wantError(t, b.Apply(t.Context(), sets("a", "1")), nil, "renew the lease")
	_, err := s.Open(t.Context())
	wantError(t, err, nil, "connection refused")
}

func TestServerComesLate(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	done := make(chan struct{})
	time.AfterFunc(300*time.Millisecond, func() {
		defer close(done)
		server.Restart()
	})
	var lines logs
	s := storeAt(server.URL())
	s.Logger = lines.logger()
	apply(t, openAt(t, s), sets("a", "1"))
	<-done
	for _, want := range []string{"trying again", "connection refused", "answers again"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("the log does not say %q: %s", want, &lines)
		}
	}
}

func TestTransient(t *testing.T) {
	server := redistest.Start(t)
	l, err := storeAt(server.URL()).newLink(1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	_, wrong := l.client.Do(t.Context(), "nonsense").Result()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{errors.New("read: connection reset by peer"), true},
		{fmt.Errorf("wrapped: %w", errOverwritten), true},
		{final("no"), false},
		{fmt.Errorf("wrapped: %w", finalError{errLost}), false},
		{wrong, false},
	} {
		if got := transient(c.err); got != c.want {
			t.Errorf("transient(%v) is %v", c.err, got)
		}
	}
	for n := range 40 {
		if d := backoff(n); d < 10*time.Millisecond || d > time.Second {
			t.Errorf("the pause before repetition %d is %s", n, d)
		}
	}
}
