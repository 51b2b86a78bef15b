package lint

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Groups that several rooms name.
var (
	words   = []string{"event", "result"}
	meaning = []string{"window", "watermark", "aggregate", "operator", "query"}
	pure    = slices.Concat(words, meaning)
)

// mayImport says which rooms of the project a room may import outside its
// tests. A room that is not listed may not exist. Data flows one way, so the
// graph has no cycle; what is public at the bottom never sees what runs it.
//
// A room may import its own subfolders and they may import it only where that
// is listed here too.
var mayImport = map[string][]string{
	// Words: values without behaviour that waits.
	"event":  {},
	"result": {"event"},

	// Meaning: pure computing.
	"window":    {"event"},
	"watermark": {"event"},
	"aggregate": {"event"},
	"operator":  {"event"},
	"query":     {"event", "window", "watermark", "aggregate", "internal/expr"},

	// Seams: an interface each, its implementations and a conformance suite.
	"source":            {"event", "internal/fs", "internal/gen"},
	"source/sourcetest": {"event", "source"},
	"sink":              {"event", "result", "internal/failpoint", "internal/fs"},
	"sink/sinktest":     {"event", "result", "sink"},

	"secret":              {},
	"kafka":               {"event", "result", "secret", "source", "sink", "internal/exchange", "internal/failpoint"},
	"kafka/kafkatest":     {"internal/servertest"},
	"postgres":            {"event", "result", "secret", "sink", "internal/failpoint"},
	"postgres/pgtest":     {"internal/servertest"},
	"prometheus/promtest": {"internal/servertest"},

	"prometheus": {"event", "result", "sink"},
	"otlp":       {"event", "result", "secret", "sink"},

	"state":                 {},
	"state/memory":          {"state"},
	"state/pebble":          {"state", "internal/failpoint"},
	"state/statetest":       {"state"},
	"state/redis":           {"secret", "state"},
	"state/redis/redistest": {},

	// Assembly.
	"pipeline": slices.Concat(pure, []string{
		"source", "sink", "state", "internal/failpoint",
		"internal/expr", "internal/decode", "internal/plan", "internal/exchange", "internal/keytab",
		"internal/engine", "internal/epoch", "internal/delivery",
	}),
	"config": slices.Concat(pure, []string{
		"source", "sink", "state", "state/memory", "state/pebble", "state/redis", "pipeline", "internal/expr",
		"kafka", "postgres", "secret", "internal/logging", "internal/suggest", "otlp", "prometheus",
	}),

	// Inside.
	"internal/expr":      {"event"},
	"internal/keytab":    {},
	"internal/suggest":   {},
	"internal/waits":     {},
	"internal/decode":    {"event", "source", "internal/expr"},
	"internal/gen":       {"event"},
	"internal/fs":        {},
	"internal/fs/fstest": {"internal/fs"},
	// Of what others see of a process, each has a room that alone knows its library.
	"internal/logging":  {},
	"internal/tracing":  {"secret"},
	"internal/plan":     slices.Concat(pure, []string{"internal/expr"}),
	"internal/exchange": {"event", "result", "aggregate", "internal/epoch", "internal/keytab"},
	"internal/engine": slices.Concat(pure, []string{
		"source", "internal/decode", "internal/expr", "internal/plan",
		"internal/exchange", "internal/keytab", "internal/epoch", "internal/failpoint", "internal/waits", "state",
	}),
	"internal/epoch":     {"event", "result", "state"},
	"internal/delivery":  {"event", "result", "sink", "internal/epoch", "internal/failpoint", "internal/waits"},
	"internal/failpoint": {},
	"internal/top":       {"event", "pipeline"},
	"internal/metrics":   {"pipeline"},
	"internal/server":    {"event", "result", "secret", "pipeline"},
	// The slow engine of the tests shares nothing with the fast one.
	"internal/refmodel": pure,
	"internal/simtest": slices.Concat(pure, []string{
		"source", "sink", "state", "state/memory", "state/pebble", "state/statetest", "pipeline", "config",
		"internal/epoch", "internal/fs", "internal/fs/fstest", "internal/refmodel",
	}),
	"internal/lint": {},
	// Tests alone: the live page in a browser.
	"internal/server/uitest": {},
	"internal/servertest":    {},

	// The binary and its tests.
	"cmd/processor": slices.Concat(pure, []string{
		"config", "pipeline", "source", "sink", "state", "state/memory", "state/pebble", "internal/epoch",
		"internal/gen", "internal/logging", "internal/tracing", "internal/top", "internal/metrics", "internal/server",
		"internal/suggest",
	}),
	"apptest": {},
	"bench":   {"kafka/kafkatest", "state", "state/pebble"},

	// What watches it: the dashboard, and the tests of the files beside it.
	"internal/dashboard": {},
	"deploy":             {},
}

// mayImportInTests adds to mayImport for test files.
var mayImportInTests = map[string][]string{
	"event":           {"result"},
	"source":          {"source/sourcetest"},
	"sink":            {"sink/sinktest", "internal/fs/fstest"},
	"state/memory":    {"state/statetest"},
	"state/pebble":    {"state/statetest"},
	"state/redis":     {"state/redis/redistest", "state/statetest"},
	"state/statetest": {"state/memory"},
	"kafka":           {"kafka/kafkatest", "sink/sinktest", "source/sourcetest", "pipeline", "state/memory", "state/pebble"},
	"postgres":        {"postgres/pgtest", "sink/sinktest", "pipeline", "state/memory", "state/pebble"},
	"apptest":         {"kafka/kafkatest", "postgres/pgtest"},
	"deploy":          {"internal/dashboard", "prometheus/promtest"},
	"internal/epoch":  {"state/memory"},
	"pipeline":        {"state/memory", "state/pebble"},
	"bench":           {"config"},

	"prometheus":       {"internal/metrics"},
	"otlp":             {"sink/sinktest"},
	"internal/metrics": {"prometheus", "prometheus/promtest"},

	// The made-up data are of the API's types.
	"internal/server/uitest": {"pipeline", "source", "internal/server"},
	// Its benchmarks run on the benchmark's events.
	"internal/engine": {"internal/gen"},

	// The README's examples are held against the real thing.
	"internal/lint": {"config", "pipeline", "source", "sink"},
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range allSources(t) {
		room := s.dir()
		seen[room] = true
		allowed, listed := mayImport[room]
		if !listed {
			if room == "examples" || strings.HasPrefix(room, "examples/") {
				continue // examples show the public packages together
			}
			t.Errorf("%s: the package is new: list it in mayImport of internal/lint/imports_test.go, with what it may import", room)
			mayImport[room] = []string{} // say it once
			continue
		}
		for _, spec := range s.ast.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			to, ours := strings.CutPrefix(name, module+"/")
			if !ours || to == room || slices.Contains(allowed, to) {
				continue
			}
			if s.test && testMayImport(room, to) {
				continue
			}
			t.Errorf("%s:%d: %s may not import %s; if it must, say so in mayImport of internal/lint/imports_test.go and in docs/architecture.md",
				s.path, s.line(spec), room, to)
		}
	}
	for room := range mayImport {
		if !seen[room] && !foreseen[room] {
			t.Errorf("mayImport of internal/lint/imports_test.go lists %s, which does not exist", room)
		}
	}
}

// testMayImport allows tests what the package may import, the rooms of words
// and meaning to build inputs with, and what mayImportInTests adds.
func testMayImport(room, to string) bool {
	return slices.Contains(pure, to) || slices.Contains(mayImportInTests[room], to)
}

// foreseen are rooms that the table may list before they exist.
var foreseen = map[string]bool{
	"internal/fs": true, "internal/epoch": true, "internal/delivery": true,
}

// TestNoCycle holds the table itself against cycles: the compiler only sees
// those that are used.
func TestNoCycle(t *testing.T) {
	const open, done = 1, 2
	state := map[string]int{}
	var visit func(room string, trail []string)
	visit = func(room string, trail []string) {
		switch state[room] {
		case done:
			return
		case open:
			t.Errorf("mayImport allows a cycle: %s", strings.Join(append(trail, room), " -> "))
			return
		}
		state[room] = open
		for _, to := range mayImport[room] {
			visit(to, append(trail, room))
		}
		state[room] = done
	}
	for room := range mayImport {
		visit(room, nil)
	}
}
