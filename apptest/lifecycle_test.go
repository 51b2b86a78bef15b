package apptest

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLifecycle does to a pipeline with durable state what users do.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	l := newLife(t, exactConfig)
	for name, test := range map[string]func(*testing.T, *life){
		"a second instance":           testSecondInstance,
		"a signal in the midst":       testSignal,
		"a second signal":             testSecondSignal,
		"the shutdown timeout":        testShutdownTimeout,
		"the state of another":        testForeignState,
		"a query changed":             testChangedQuery,
		"fresh, files moved away":     testFreshMoved,
		"fresh, files emptied":        testFreshTruncates,
		"the state removed":           testStateRemoved,
		"a sink dropped":              testDropSink,
		"an output cut":               testOutputCut,
		"an output removed":           testOutputRemoved,
		"an output longer":            testOutputLonger,
		"the tools, after a kill":     testTools,
		"a checkpoint restored":       testRestored,
		"a checkpoint from elsewhere": testBackup,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, l)
		})
	}
}

// A second instance is refused and does the first one no harm.
func testSecondInstance(t *testing.T, l *life) {
	s, first := l.begin(t, exactConfig)
	lock := filepath.Join(s.state(), "LOCK")
	for _, args := range [][]string{nil, {"--fresh"}, {"--redeliver"}, {"state", "inspect"}, {"state", "checkpoint"}} {
		s.refused(t, []string{"in use", lock, "stop the other instance", "state.path"}, args...)
	}
	wantWords(t, "state ls", s.do(t, "state", "ls"), "in use by a running pipeline")
	l.feed(t, s, 0.9)
	l.rows(t, s, first, 0.7)
	first.terminate(t)
	l.feed(t, s, 1)
	l.ended(t, s)
}

// A signal closes no window: what is there is how an undisturbed run begins.
func testSignal(t *testing.T, l *life) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		s, r := l.begin(t, exactConfig)
		if err := r.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := r.code(t); code != 0 {
			t.Errorf("%v: exit code %d\n%s", sig, code, &r.err)
		}
		wantWords(t, sig.String(), r.err.String(), "stopping", "open windows kept in "+s.state())
		if want, have := settle(l.want.read(t, "results.jsonl")), settle(s.read(t, "results.jsonl")); !strings.HasPrefix(want, have) {
			compareText(t, "results.jsonl", want[:min(len(want), len(have))], have)
		}
		wantWords(t, "state verify", s.do(t, "state", "verify"), "is whole")
		open := 0.0
		for _, q := range s.inspect(t).Queries {
			open += q["windows"].(float64)
		}
		if open == 0 {
			t.Errorf("%v: the state holds no windows", sig)
		}
		l.feed(t, s, 1)
		wantWords(t, "the next start", l.ended(t, s), "recovered state")
	}
}

// stuckConfig has a sink that does not take its rows, beside the files, which do.
var stuckConfig = strings.Replace(exactConfig, "late_events:", "  - stdout: {format: json}\nlate_events:", 1) + "shutdown_timeout: 10m\n"

// stuck is a process one of whose sinks is stuck: its standard output is a pipe
// that nobody reads until it has ended.
type stuck struct {
	*running
	read, write *os.File
}

// stuck starts a pipeline one of whose sinks is stuck, so that it cannot end, and
// returns in the midst of it.
func (l *life) stuck(t testing.TB, config string) (s *site, p stuck) {
	t.Helper()
	s = l.whole(t, config)
	var err error
	if p.read, p.write, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.read.Close(), p.write.Close() })
	s.stdout = p.write
	p.running = s.start(t)
	l.rows(t, s, p.running, 0.5)
	s.stdout = nil
	return s, p
}

// unstuck runs a pipeline to its end after a sink was stuck: the files have every
// row once, and that sink at least once.
func (l *life) unstuck(t testing.TB, s *site, p stuck) {
	t.Helper()
	if err := p.write.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := io.ReadAll(p.read)
	if err != nil {
		t.Fatal(err)
	}
	r := s.start(t)
	if code := r.code(t); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &r.err)
	}
	compareExactly(t, l.want, s)
	compareLedgers(t, l.want, s)
	whole := string(before[:bytes.LastIndexByte(before, '\n')+1])
	came := map[string]bool{}
	for _, r := range parseRows(t, whole+r.out.String()) {
		came[r.ID] = true
	}
	want := parseRows(t, l.want.read(t, "results.jsonl"))
	for _, r := range want {
		if !came[r.ID] {
			t.Fatalf("the sink that was stuck has got %d rows of %d; it lacks %s", len(came), len(want), r.line)
		}
	}
}

func testSecondSignal(t *testing.T, l *life) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		s, r := l.stuck(t, stuckConfig)
		for range 2 {
			if err := r.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			select {
			case <-r.done:
			case <-time.After(300 * time.Millisecond): // longer than echoes of the first one are ignored
			}
		}
		if code := r.code(t); code != 1 {
			t.Errorf("%v: exit code %d\n%s", sig, code, &r.err)
		}
		wantWords(t, sig.String(), r.err.String(), "a second signal", "results may be missing")
		l.unstuck(t, s, r)
	}
}

func testShutdownTimeout(t *testing.T, l *life) {
	s, r := l.stuck(t, strings.Replace(stuckConfig, "10m", "50ms", 1))
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := r.code(t); code != 1 {
		t.Errorf("exit code %d\n%s", code, &r.err)
	}
	wantWords(t, "the end", r.err.String(), "shutdown timeout", "shutdown_timeout")
	l.unstuck(t, s, r)
}

// Of a state that belongs to another pipeline nothing is touched.
func testForeignState(t *testing.T, l *life) {
	s := l.half(t, exactConfig)
	s.setConfig(t, strings.Replace(exactConfig, "name: exact", "name: other", 1))
	for _, args := range [][]string{nil, {"--fresh"}, {"--redeliver"}} {
		before, was := tree(t, s.dir), s.inspect(t)
		s.refused(t, []string{s.state(), `"exact"`, `"other"`, "state.path"}, args...)
		// Opened, the database makes new files of its own.
		untouched(t, strings.Join(args, " "), s.dir, before, "/state/db/")
		if now := s.inspect(t); !reflect.DeepEqual(now, was) {
			t.Errorf("%q: the state holds\n%v, want\n%v", args, now, was)
		}
	}
	s.setConfig(t, exactConfig)
	l.ended(t, s)
}

// A query that is changed starts fresh, one that is removed is dropped, one that
// is new begins here; the others do not notice.
func testChangedQuery(t *testing.T, l *life) {
	s := l.half(t, exactConfig)
	had := parseRows(t, s.read(t, "results.jsonl"))
	changed := strings.NewReplacer(
		"aggregate: {n: count(), sum: sum(v), p95: p95(v), seqs: distinct(seq)}", "aggregate: {n: count(), least: min(v)}",
		"name: sliding", "name: added",
	).Replace(exactConfig)
	all := l.whole(t, changed)
	all.finish(t)
	s.setConfig(t, changed)
	wantWords(t, "the log", s.finish(t), "starts fresh", "query=tumbling", "query=added", "query=sliding", "dropped")

	old, anew := rowsOf(parseRows(t, l.want.read(t, "results.jsonl"))), rowsOf(parseRows(t, all.read(t, "results.jsonl")))
	have := parseRows(t, s.read(t, "results.jsonl"))
	for _, name := range []string{"session", "counted"} {
		compareText(t, name, strings.Join(old[name], ""), strings.Join(rowsOf(have)[name], ""))
	}
	if rows := rowsOf(have)["sliding"]; len(rows) == 0 || len(rows) != len(rowsOf(had)["sliding"]) {
		t.Errorf("the removed query has %d rows, want the %d of before", len(rows), len(rowsOf(had)["sliding"]))
	}
	began := sinceOf(t, s, "tumbling")
	for _, name := range []string{"tumbling", "added"} {
		checkFresh(t, name, anew[name], have[len(had):], began)
	}
}

// rowsOf sorts rows out by query.
func rowsOf(rows []row) map[string][]string {
	by := map[string][]string{}
	for _, r := range rows {
		by[r.Query] = append(by[r.Query], emittedAt.ReplaceAllString(r.line, ""))
	}
	for q := range by {
		if slices.Contains(free, `"query":"`+q+`",`) || q == "added" {
			slices.Sort(by[q]) // in no special order
		}
	}
	return by
}

// checkFresh wants the rows of windows that began after the query did to be
// those that it would have had anyway, and the others to be marked.
func checkFresh(t *testing.T, name string, want []string, rows []row, began time.Time) {
	t.Helper()
	early := func(r row) bool { return !parseTime(t, r.Start).After(began) }
	partial := 0
	var full []row
	for _, r := range rows {
		if r.Query != name {
			continue
		}
		if r.Partial != early(r) {
			t.Errorf("partial is %v although the query began at %v: %s", r.Partial, began, r.line)
		}
		if r.Partial {
			partial++
		} else {
			full = append(full, r)
		}
	}
	if partial == 0 || len(full) == 0 {
		t.Errorf("%s: %d rows are partial and %d are not: this proves nothing", name, partial, len(full))
	}
	whole := slices.DeleteFunc(parseRows(t, strings.Join(want, "")), early)
	compareText(t, name, strings.Join(rowsOf(whole)[name], ""), strings.Join(rowsOf(full)[name], ""))
}

func parseTime(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// sinceOf is since when a query has read, by the state.
func sinceOf(t testing.TB, s *site, name string) time.Time {
	t.Helper()
	for _, q := range s.inspect(t).Queries {
		if since, ok := q["since"].(string); ok && q["name"] == name {
			return parseTime(t, since)
		}
	}
	t.Fatalf("the state does not know since when there is a query %s", name)
	return time.Time{}
}
