package apptest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tests below are parts of TestLifecycle: a state and outputs that do not
// belong together, and the flags that say what is to be done about it.

// aside moves the outputs of a site away, and returns where they are.
func (s *site) aside(t testing.TB) string {
	t.Helper()
	dir := s.path("old")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range outputs {
		if err := os.Rename(s.path(name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The files of the state before are refused, and once they are away everything
// is computed anew. The old state is still there to be looked at and taken back.
func testFreshMoved(t *testing.T, l *life) {
	s := l.half(t, exactConfig)
	was, rows := s.inspect(t), s.read(t, "results.jsonl")
	s.refused(t, []string{s.path("results.jsonl"), "bytes", "on_existing", "move it away"}, "--fresh")
	if s.read(t, "results.jsonl") != rows {
		t.Error("the file was touched")
	}
	old := s.aside(t)
	log := s.finish(t, "--fresh")
	wantWords(t, "the log", log, "began a new state")
	compareExactly(t, l.want, s)
	compareLedgers(t, l.want, s)

	kept := s.asideOf(t)
	p, code := run(t, nil, "state", "verify", "--path", kept)
	if code != 1 {
		t.Errorf("the exit code is %d", code)
	}
	wantWords(t, "state verify", p.err.String(), kept, "name the directory that has it as db/")
	place := s.path("look")
	if err := os.Mkdir(place, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(kept, filepath.Join(place, "db")); err != nil {
		t.Fatal(err)
	}
	if again := inspectAt(t, s, place); again.Epoch != was.Epoch || again.places() != was.places() {
		t.Errorf("what was moved aside is at epoch %d and %s, want %d and %s", again.Epoch, again.places(), was.Epoch, was.places())
	}
	// Taken back, with the files as they were, it goes on where it was.
	if err := os.RemoveAll(filepath.Join(s.state(), "db")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(kept, filepath.Join(s.state(), "db")); err != nil {
		t.Fatal(err)
	}
	for _, name := range outputs {
		if err := os.Rename(filepath.Join(old, name), s.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	l.ended(t, s)
}

// inspectAt looks at a state in another place than the site's.
func inspectAt(t testing.TB, s *site, dir string) report {
	t.Helper()
	if err := os.Symlink(dir, filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	return (&site{program: s.program, dir: dir}).inspect(t)
}

// truncating empties files of which a state knows nothing.
var truncating = strings.ReplaceAll(exactConfig, `.jsonl"}`, `.jsonl", on_existing: truncate}`)

func testFreshTruncates(t *testing.T, l *life) {
	for _, args := range [][]string{{"--fresh"}, {"--fresh", "--redeliver"}} {
		s := l.killed(t, truncating)
		l.ended(t, s, args...)
		if kept := s.glob(t, "state/db.aside-*"); len(kept) != 1 {
			t.Errorf("%q was moved aside", kept)
		}
		// Without the flag nothing is begun anew.
		rows := s.read(t, "results.jsonl")
		wantWords(t, "the log", s.finish(t), "recovered state")
		if s.read(t, "results.jsonl") != rows {
			t.Error("a start with nothing to do has changed the rows")
		}
	}
	s := l.half(t, exactConfig)
	s.refused(t, []string{"--drop-sink file", "begins anew", "leave it out"}, "--fresh", "--drop-sink", "file")
	l.ended(t, s)
}

// A state that is gone is not made up for: its files are refused, and what to do
// is said. Told to append, the sink has all rows once more.
func testStateRemoved(t *testing.T, l *life) {
	s := l.half(t, exactConfig)
	if err := os.RemoveAll(s.state()); err != nil {
		t.Fatal(err)
	}
	before := map[string]string{}
	for _, name := range outputs {
		before[name] = s.read(t, name)
	}
	for _, args := range [][]string{nil, {"--redeliver"}} {
		s.refused(t, []string{s.path("results.jsonl"), fmt.Sprint(len(before["results.jsonl"]), " bytes"), "the state knows nothing of it", "on_existing: append", "on_existing: truncate", "move it away"}, args...)
		for _, name := range outputs {
			if s.read(t, name) != before[name] {
				t.Errorf("%q: %s was touched", args, name)
			}
		}
	}
	s.setConfig(t, strings.ReplaceAll(exactConfig, `.jsonl"}`, `.jsonl", on_existing: append}`))
	s.finish(t)
	for _, name := range outputs {
		have, ok := strings.CutPrefix(s.read(t, name), before[name])
		if !ok {
			t.Errorf("%s: what was there is not there any more", name)
		}
		if err := os.WriteFile(s.path(name), []byte(have), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	compareExactly(t, l.want, s)
}

// Rows that wait for a sink which is not configured any more are not given up
// unless that is asked for.
func testDropSink(t *testing.T, l *life) {
	s, r := l.stuck(t, stuckConfig)
	if !r.kill() {
		t.Fatalf("the process has ended by itself\n%s", &r.err)
	}
	s.setConfig(t, exactConfig)
	before := s.inspect(t).Epoch
	s.refused(t, []string{`"stdout"`, "lacks the rows of", "configure it again", "--drop-sink stdout"})
	s.refused(t, []string{"--drop-sink nonesuch", "knows no sink of that name", "it knows dead_letters, file, late_events, stdout"}, "--drop-sink", "nonesuch")
	s.refused(t, []string{"--drop-sink file", "still configured"}, "--drop-sink", "stdout", "--drop-sink", "file")
	if after := s.inspect(t).Epoch; after != before {
		t.Errorf("starts that were refused have taken the state from epoch %d to %d", before, after)
	}
	wantWords(t, "the log", l.ended(t, s, "--drop-sink", "stdout"), "rows are given up", "stdout")
	// The sink is new when it comes back: what there was is not for it.
	s.setConfig(t, stuckConfig)
	back := s.start(t)
	if code := back.code(t); code != 0 || back.out.Len() > 0 {
		t.Errorf("exit code %d, and %d bytes for a sink that is new\n%s", code, back.out.Len(), &back.err)
	}
}

// cut shortens an output to about a half, at the end of a line.
func (s *site) cut(t testing.TB, name string) (rest string) {
	t.Helper()
	text := s.read(t, name)
	at := strings.LastIndexByte(text[:len(text)/2], '\n') + 1
	if err := os.Truncate(s.path(name), int64(at)); err != nil {
		t.Fatal(err)
	}
	return text[at:]
}

func testOutputCut(t *testing.T, l *life) {
	for _, name := range outputs {
		s := l.half(t, exactConfig)
		whole := s.read(t, name)
		lost := s.cut(t, name)
		before := map[string]string{}
		for _, other := range outputs {
			before[other] = s.read(t, other)
		}
		s.refused(t, []string{s.path(name), fmt.Sprint("holds ", s.size(name), " bytes"), "it was cut, replaced or lost", "put the file back", "--redeliver"})
		for other, text := range before {
			if s.read(t, other) != text {
				t.Errorf("%s was touched", other)
			}
		}
		// The user puts it back, or goes on without what is lost.
		again := s.fork(t, l.root)
		if err := os.WriteFile(again.path(name), []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		l.ended(t, again)
		s.finish(t, "--redeliver")
		rows, want := s.read(t, name), l.want.read(t, name)
		missing, surplus := difference(lines(want), lines(rows))
		gone, _ := difference(lines(lost), nil)
		if a, b := strings.Join(missing, ""), strings.Join(gone, ""); a != b || len(surplus) > 0 {
			t.Errorf("%s: %d lines were cut, %d are missing and %d too many", name, len(gone), len(missing), len(surplus))
		}
		wantWords(t, "a start after that", s.finish(t), "recovered state")
	}
}

// lines are those of a text, without what differs from run to run.
func lines(text string) []string {
	return strings.SplitAfter(emittedAt.ReplaceAllString(text, ""), "\n")
}

func testOutputRemoved(t *testing.T, l *life) {
	s := l.half(t, exactConfig)
	had := s.read(t, "results.jsonl")
	if err := os.Remove(s.path("results.jsonl")); err != nil {
		t.Fatal(err)
	}
	s.refused(t, []string{s.path("results.jsonl"), "holds 0 bytes", "lost", "--redeliver"})
	wantWords(t, "the log", s.finish(t, "--redeliver"), "recovered state")
	// The rows go on where the file that is lost has ended.
	if err := os.WriteFile(s.path("results.jsonl"), []byte(had+s.read(t, "results.jsonl")), 0o600); err != nil {
		t.Fatal(err)
	}
	compareExactly(t, l.want, s)
	// Once is enough, also when no row follows.
	if err := os.Remove(s.path("results.jsonl")); err != nil {
		t.Fatal(err)
	}
	s.refused(t, []string{s.path("results.jsonl"), "--redeliver"})
	s.finish(t, "--redeliver")
	s.finish(t)
}

// What somebody else has written behind the rows is cut off.
func testOutputLonger(t *testing.T, l *life) {
	s := l.half(t, exactConfig)
	for _, name := range outputs {
		if err := os.WriteFile(s.path(name), []byte(s.read(t, name)+"{\"a line\n of somebody else"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.ended(t, s)
}
