package apptest

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// exactConfig makes every row, and the order of all, a function of the input: it
// has one partition and fires after every event. Its queries are of every sort
// of state: windows that accumulate, shared panes, sessions, and windows that
// forget what they have put out.
const exactConfig = `name: exact
source: {file: {path: "${IN}"}}
event: {time: {field: ts, format: unix_ms}}
watermark: {max_out_of_orderness: 300ms, emit: every_event}
queries:
  - name: tumbling
    key: [k]
    window: {tumbling: 5s}
    allowed_lateness: 10s
    aggregate: {n: count(), sum: sum(v), p95: p95(v), seqs: distinct(seq)}
  - name: sliding
    key: [k]
    window: {sliding: {size: 10s, slide: 500ms}}
    allowed_lateness: 4s
    aggregate: {n: count(), max: max(v)}
  - name: session
    key: [k]
    window: {session: 800ms}
    allowed_lateness: 5s
    aggregate: {n: count(), first: first(seq), last: last(seq)}
  - name: counted
    key: [k]
    window: {tumbling: 20s}
    trigger: {count: 7}
    accumulation: discarding
    aggregate: {n: count(), sum: sum(v)}
sinks:
  - file: {path: "${OUT}/results.jsonl"}
    meta: true
late_events: {file: {path: "${OUT}/late.jsonl"}}
dead_letters: {file: {path: "${OUT}/dead.jsonl"}}
state: {backend: pebble, path: "${OUT}/state", epoch: 5ms, checkpoint: {every: 100ms, retain: 2}}
`

// periodicConfig reads several partitions at once and fires when it comes to it,
// so only the end of each window is a function of the input.
var periodicConfig = strings.NewReplacer(
	"name: exact", "name: periodic",
	"emit: every_event", "interval: 1ms, max_drift: 0s",
	`path: "${IN}"`, `path: "${IN}", open: 2`,
	// Which session of a key an event joins is for the key's partition alone.
	"key: [k]\n    window: {session", "key: [k, part]\n    window: {session",
	"first: first(seq), last: last(seq)", "sum: sum(v)",
).Replace(exactConfig)

const (
	exactLines = 40_000
	exactBulk  = 700
)

// undisturbed runs a pipeline once to its end and says how long that took.
func undisturbed(t testing.TB, root, config, in string) (*site, time.Duration) {
	t.Helper()
	s := newSite(t, root, config, in)
	began := time.Now()
	s.finish(t)
	took := time.Since(began)
	for _, name := range outputs {
		if s.size(name) == 0 {
			t.Fatalf("%s is empty: this input proves nothing", name)
		}
	}
	return s, took
}

func newKiller(stream uint64, whole time.Duration) *killer {
	return &killer{rng: rand.New(rand.NewPCG(*seed, stream)), whole: whole}
}

// TestKilledIsExact kills the process again and again: every row is there once,
// in the order of a run that nobody disturbs.
func TestKilledIsExact(t *testing.T) {
	t.Parallel()
	for i, name := range []string{"in.jsonl", "in.jsonl.gz"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := scratch(t)
			in := filepath.Join(root, name)
			writeInput(t, in, newTraffic(*seed, name, exactBulk).lines(exactLines))
			want, whole := undisturbed(t, root, exactConfig, in)
			k := newKiller(uint64(i), whole)
			for goal := scaled(t, 40); k.kills < goal && !t.Failed(); {
				have := newSite(t, root, exactConfig, in)
				k.disturb(t, have)
				compareExactly(t, want, have)
				compareLedgers(t, want, have)
			}
			k.score(t)
		})
	}
}

// TestKilledEndsTheSame does so with several files, some of them compressed,
// that are read side by side.
func TestKilledEndsTheSame(t *testing.T) {
	t.Parallel()
	root := scratch(t)
	in := writeFiles(t, root, *seed, 5, exactLines/5, exactBulk)
	want, whole := undisturbed(t, root, periodicConfig, in)
	k := newKiller(2, whole)
	for goal := scaled(t, 60); k.kills < goal && !t.Failed(); {
		have := newSite(t, root, periodicConfig, in)
		k.disturb(t, have)
		compareWindows(t, want, have, "counted")
		compareLines(t, "late.jsonl", want, have)
		compareLines(t, "dead.jsonl", want, have)
		compareLedgers(t, want, have)
	}
	k.score(t)
}

// TestKilledAtLeastOnce lets rows out before they are durable: none is missing
// and each window's last row is right, but rows may come again, the same under
// the same id.
func TestKilledAtLeastOnce(t *testing.T) {
	t.Parallel()
	root := scratch(t)
	in := filepath.Join(root, "in.jsonl")
	writeInput(t, in, newTraffic(*seed+7, "in.jsonl", exactBulk).lines(exactLines))
	config := exactConfig + "delivery: at_least_once\n"
	want, whole := undisturbed(t, root, config, in)
	k := newKiller(3, whole)
	for goal := scaled(t, 40); k.kills < goal && !t.Failed(); {
		have := newSite(t, root, config, in)
		k.disturb(t, have)
		compareAtLeast(t, want, have)
		compareLedgers(t, want, have)
	}
	k.score(t)
}

func compareAtLeast(t testing.TB, want, have *site) {
	t.Helper()
	for _, name := range outputs {
		a, b := strings.SplitAfter(settle(want.read(t, name)), "\n"), strings.SplitAfter(settle(have.read(t, name)), "\n")
		known := map[string]bool{}
		for _, line := range a {
			known[line] = true
		}
		var foreign []string
		for _, line := range b {
			if !known[line] {
				foreign = append(foreign, line)
			}
		}
		if missing, _ := difference(a, b); len(missing)+len(foreign) > 0 {
			t.Errorf("seed %d: %s: %d lines are missing, and %d are none of the undisturbed run's\n%s%s",
				*seed, name, len(missing), len(foreign), some("missing ", missing), some("foreign ", foreign))
		}
	}
	compareEnds(t, ends(t, parseRows(t, want.read(t, "results.jsonl")), nil),
		ends(t, parseRows(t, have.read(t, "results.jsonl")), nil))
}
