package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/pebble"
	"github.com/llm-optimizer/processor/state/redis"
)

// The backends by their names in the config.
const (
	memoryBackend = "memory"
	pebbleBackend = "pebble"
	redisBackend  = "redis"
)

// state reads where durable state lives. Nothing is opened.
func (l *loader) state(v view, name string, from source.Source) pipeline.StateSpec {
	s := pipeline.StateSpec{
		Epoch:           v.duration("epoch"),
		CheckpointEvery: v.at("checkpoint").duration("every"),
		Retain:          int(v.at("checkpoint").integer("retain")),
		OnCorruption:    pipeline.OnCorruption(v.text("on_corruption")),
	}
	backend := v.text("backend")
	switch at := v.at("backend"); {
	case !at.given():
		backend = defaultBackend(from)
	case at.n.value == nil:
		return s // it is wrong in itself, and what the others mean depends on it
	}
	switch backend {
	case pebbleBackend:
		s.Store = l.pebble(v.at("path"), name)
	case redisBackend:
		s.Store = l.redis(v.at("path"), name)
	default:
		l.remarkMemory(v)
	}
	return s
}

// defaultBackend keeps the state of what may run for months and can be read
// again. Standard input cannot, and made-up events are not worth it.
func defaultBackend(from source.Source) string {
	if from == nil {
		return memoryBackend
	}
	if t := from.Traits(); t.Live && !t.Once && t.Kind != "generate" {
		return pebbleBackend
	}
	return memoryBackend
}

func (l *loader) pebble(v view, name string) state.Store {
	path, _ := v.value().(string)
	switch {
	case strings.Contains(path, "://"):
		l.add(v.path, v.place(), "is an address; with backend: pebble it has to be a directory, such as state/llm-health; for a server write backend: redis")
	case path == "":
		path = "state/" + name
	}
	return &pebble.Store{Path: path}
}

func (l *loader) redis(v view, name string) state.Store {
	address, _ := v.value().(string)
	if address == "" {
		address = "redis://localhost:6379/0"
	}
	if why := redisAddress(address); why != "" {
		// The value is not shown: it may hold a password.
		l.add(v.path, v.place(), "%s; with backend: redis it has to be redis://[USER:PASSWORD@]HOST[:PORT][/DB], or rediss:// for TLS", why)
	}
	return &redis.Store{URL: address, Prefix: "processor:" + name}
}

// redisAddress says what is wrong with an address, without quoting it.
func redisAddress(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "cannot be read as an address: write special characters of a password as %XX"
	case u.Scheme == "unix":
		return ""
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return "does not begin with redis:// or rediss://"
	case u.Hostname() == "":
		return "names no host"
	case strings.Trim(strings.Trim(u.Path, "/"), "0123456789") != "":
		return "does not end with the number of a database"
	}
	return ""
}

// logTo gives a store a logger, unless it has one.
func logTo(s state.Store, log *slog.Logger) {
	switch s := s.(type) {
	case *pebble.Store:
		if s.Logger == nil {
			s.Logger = log
		}
	case *redis.Store:
		if s.Logger == nil {
			s.Logger = log
		}
	}
}

// remarkMemory tells of settings that do nothing with state in memory.
func (l *loader) remarkMemory(v view) {
	for _, name := range []string{"path", "epoch", "checkpoint", "on_corruption"} {
		if v.at(name).given() {
			l.warnings = append(l.warnings, fmt.Sprintf("%s.%s has no effect: the state is in memory; for durable state add backend: pebble", v.path, name))
		}
	}
}
