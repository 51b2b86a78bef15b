package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/llm-optimizer/processor/state"
)

// server is what is known of the server.
type server struct {
	info map[string]string
	// queryLimit is how many bytes a transaction may have; 0 if unknown.
	queryLimit int
}

// look asks the server what it is.
func look(ctx context.Context, l *link) (*server, error) {
	var text string
	srv := new(server)
	err := l.try(ctx, func(ctx context.Context) (err error) {
		if text, err = l.client.Info(ctx).Result(); err != nil && !goredis.HasErrorPrefix(err, "NOPERM") {
			return err
		}
		if err != nil {
			l.log.Warn("the state's server does not tell whether it throws keys away or writes them to a disk: its user may not ask INFO")
		}
		// It is fine not to be allowed to ask this.
		if got, err := l.client.ConfigGet(ctx, "client-query-buffer-limit").Result(); err == nil {
			srv.queryLimit, _ = strconv.Atoi(got["client-query-buffer-limit"])
		}
		return nil
	})
	srv.info = parseInfo(text)
	return srv, err
}

func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

func (s *server) number(name string) int {
	n, _ := strconv.Atoi(s.info[name])
	return n
}

// checkVersion refuses servers without COPY.
func (s *server) checkVersion() error {
	version := s.info["redis_version"]
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && (major < 6 || major == 6 && minor < 2) {
		return fmt.Errorf("the server is Redis %s, which is too old: it needs 6.2 or newer", version)
	}
	return nil
}

// checkWritable refuses servers that may lose keys or take none.
func (s *server) checkWritable() error {
	if role := s.info["role"]; role == "slave" {
		return fmt.Errorf("the server is a replica of %s:%s: give the primary", s.info["master_host"], s.info["master_port"])
	}
	if policy := s.info["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		return fmt.Errorf("the server's maxmemory-policy is %s, so it may throw away parts of the state: set it to noeviction "+
			"(CONFIG SET maxmemory-policy noeviction, and in its configuration file)", policy)
	}
	return nil
}

// warn says what of the state the server would lose.
func (s *server) warn(ctx context.Context, l *link) {
	if s.info["aof_enabled"] == "0" {
		l.log.Warn("the state's server writes no append-only file: when it stops, the state since its last snapshot is lost; set appendonly yes")
		return
	}
	got, err := l.client.ConfigGet(ctx, "appendfsync").Result()
	if policy := got["appendfsync"]; err == nil && policy != "always" {
		l.log.Info("a crash of the state's server may lose the last moments of the state; appendfsync always prevents it", "appendfsync", policy)
	}
}

// checkRoom refuses to copy a store that would take the last memory of the
// server: then the pipeline could write no more.
func checkRoom(ctx context.Context, client *goredis.Client, t triple) error {
	text, err := client.Info(ctx, "memory").Result()
	if err != nil {
		return err
	}
	need := 0
	for _, key := range t.all() {
		n, err := client.MemoryUsage(ctx, key).Result()
		if err != nil {
			continue // it is empty, or this may not be asked: then it is tried
		}
		need += int(n)
	}
	srv := &server{info: parseInfo(text)}
	limit := srv.number("maxmemory")
	if limit == 0 {
		limit = srv.number("total_system_memory")
	}
	if used := srv.number("used_memory"); limit > 0 && used+need > limit {
		return final("a copy needs %d MiB of memory on the server, which has %d of %d MiB in use: give it more, or drop a checkpoint",
			need>>20, used>>20, limit>>20)
	}
	return nil
}

// format is the number of the layout in doc.go.
const format = "1"

// checkFormat refuses a store of another layout.
func checkFormat(got string) error {
	if got != format {
		return final("%w: the store has format %q, this program reads %q", state.ErrVersion, got, format)
	}
	return nil
}

// checkCounts finds out a server that has lost keys.
func checkCounts(want string, keys, values int64) error {
	if want != strconv.FormatInt(keys, 10) || keys != values {
		return final("%w: of %s keys the server has %d, and %d values: it has lost some, or somebody else has written there; "+
			"restore a checkpoint with `processor state restore`", state.ErrCorrupt, want, keys, values)
	}
	return nil
}
