package apptest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// often makes checkpoints all the time.
var often = strings.Replace(exactConfig, "checkpoint: {every: 100ms, retain: 2}", "checkpoint: {every: 5ms, retain: 3}", 1)

// checkpoints are those of a site, oldest first, by state ls.
func (s *site) checkpoints(t testing.TB) (names []string) {
	t.Helper()
	for line := range strings.Lines(s.do(t, "state", "ls")) {
		if words := strings.Fields(line); strings.HasPrefix(words[0], "20") {
			names = append(names, words[0])
		}
	}
	if len(names) == 0 {
		t.Fatal("there are no checkpoints: this proves nothing")
	}
	return names
}

// checkpointed is a site with three checkpoints, made while there were rows,
// where the process was killed.
func (l *life) checkpointed(t testing.TB) *site {
	t.Helper()
	s, r := l.begin(t, often)
	// Those of before there are rows may be of a state that has not read anything
	// yet, and so may the next one, which is being made meanwhile.
	early, rows := s.glob(t, "state/checkpoints/20*"), false
	r.until(t, "checkpoints of now", func() bool {
		now := s.glob(t, "state/checkpoints/20*")
		if s.size("results.jsonl") == 0 {
			early = now
			return false
		}
		if !rows {
			if rows = !slices.Equal(now, early); rows {
				early = now
			}
			return false
		}
		return len(now) >= 3 && !slices.ContainsFunc(now, func(c string) bool { return slices.Contains(early, c) })
	})
	if !r.kill() {
		t.Fatalf("the process has ended by itself\n%s", &r.err)
	}
	l.feed(t, s, 1)
	return s
}

// testTools looks at what a killed process has left, which changes nothing of
// it, and makes a checkpoint of it.
func testTools(t *testing.T, l *life) {
	s := l.checkpointed(t)
	before := tree(t, s.dir)
	taken := s.checkpoints(t)
	for _, at := range append(slices.Clone(taken), "") {
		args := func(command string) []string {
			if at == "" {
				return []string{"state", command}
			}
			return []string{"state", command, at}
		}
		wantWords(t, "verify "+at, s.do(t, args("verify")...), "is whole", s.state(), at)
		wantWords(t, "inspect "+at, s.do(t, args("inspect")...), "pipeline", "exact", "watermark", "tumbling", "in.jsonl", "late_events")
	}
	s.refused(t, []string{"no checkpoint nonesuch", taken[0]}, "state", "inspect", "nonesuch")
	s.refused(t, []string{"no checkpoint nonesuch", taken[0]}, "state", "restore", "nonesuch")
	untouched(t, "looking", s.dir, before)
	made := strings.TrimSpace(s.do(t, "state", "checkpoint"))
	if now := s.checkpoints(t); !slices.Equal(now, append(taken, made)) {
		t.Errorf("the checkpoints are %q, want %q and %q", now, taken, made)
	}
	wantWords(t, "verify", s.do(t, "state", "verify", made), "is whole")
	l.ended(t, s)
}

// testRestored goes back to each checkpoint that there is: files are cut to the
// length that they had then, whether sinks are to be taken over or not.
func testRestored(t *testing.T, l *life) {
	left := l.checkpointed(t)
	taken := left.checkpoints(t)
	for i, name := range taken {
		s := left.fork(t, l.root)
		length := s.size("results.jsonl")
		said := s.do(t, "state", "restore", name)
		wantWords(t, "restore", said, "is in place: epoch", "What was there is now in "+s.asideOf(t), "computed again", "a file is cut")
		if s.size("results.jsonl") != length {
			t.Error("a restore has touched an output")
		}
		if i%2 == 0 {
			l.ended(t, s)
		} else {
			l.ended(t, s, "--redeliver")
		}
		// Once more, from the end: all that came after it is computed again.
		if now := s.checkpoints(t); slices.Contains(now, name) {
			s.do(t, "state", "restore", name)
			l.ended(t, s)
		}
	}
}

// testBackup brings a checkpoint back that was copied while the pipeline ran, to
// a machine that has nothing else.
func testBackup(t *testing.T, l *life) {
	s, r := l.begin(t, strings.Replace(often, "every: 5ms, retain: 3", "every: 300ms, retain: 3", 1))
	var name string
	r.until(t, "a checkpoint", func() bool {
		found := s.glob(t, "state/checkpoints/20*")
		if len(found) > 0 {
			name = filepath.Base(found[0])
		}
		return len(found) > 0
	})
	backup := filepath.Join(l.root, "backup-"+filepath.Base(s.dir))
	if err := os.CopyFS(backup, os.DirFS(filepath.Join(s.state(), "checkpoints", name))); err != nil {
		t.Fatal(err)
	}
	r.terminate(t)
	l.feed(t, s, 1)
	if err := os.RemoveAll(s.state()); err != nil {
		t.Fatal(err)
	}
	s.refused(t, []string{"no checkpoint " + name, "there are none"}, "state", "restore", name)
	if err := os.CopyFS(filepath.Join(s.state(), "checkpoints", name), os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	wantWords(t, "verify", s.do(t, "state", "verify", name), "is whole")
	if said := s.do(t, "state", "restore", name); strings.Contains(said, "What was there") {
		t.Errorf("nothing was there, and yet: %s", said)
	}
	l.ended(t, s)
}

// TestWrongFlags are mistakes on the command line: exit code 2, before anything
// is touched.
func TestWrongFlags(t *testing.T) {
	t.Parallel()
	in, dir := write(t, "in.jsonl", input), t.TempDir()
	memory, durable := write(t, "memory.yaml", fileConfig), write(t, "durable.yaml", exactConfig)
	for _, c := range []struct {
		words []string
		args  []string
	}{
		{[]string{"--fresh", "in memory", "state.backend"}, []string{"--config", memory, "--fresh"}},
		{[]string{"--redeliver", "in memory", "state.backend"}, []string{"--config", memory, "--redeliver"}},
		{[]string{"--drop-sink", "in memory", "state.backend"}, []string{"--config", memory, "--drop-sink", "a"}},
		{[]string{"--drop-sink"}, []string{"--config", durable, "--drop-sink"}},
		{[]string{"--fresh"}, []string{"--config", durable, "--fresh=perhaps"}},
		{[]string{"--refresh"}, []string{"--config", durable, "--refresh"}},
		{[]string{"no state is named", "--config", "--path"}, []string{"state", "inspect"}},
		{[]string{"together"}, []string{"state", "inspect", "--config", durable, "--path", dir}},
		{[]string{"in memory", "state.backend"}, []string{"state", "verify", "--config", memory}},
		{[]string{"checkpoint"}, []string{"state", "restore", "--path", dir}},
		{[]string{"--path takes a directory"}, []string{"state", "ls", "--path", "redis://localhost"}},
		{[]string{"unexpected argument"}, []string{"state", "ls", "--path", dir, "nonesuch"}},
		{[]string{"repair"}, []string{"state", "repair", "--path", dir}},
		{[]string{"--fresh"}, []string{"state", "inspect", "--path", dir, "--fresh"}},
	} {
		p, code := run(t, []string{"IN=" + in, "OUT=" + dir}, c.args...)
		if code != 2 || p.out.Len() > 0 {
			t.Errorf("%q: exit code %d, want 2\nstdout: %s\nstderr: %s", c.args, code, &p.out, &p.err)
		}
		wantWords(t, strings.Join(c.args, " "), p.err.String(), c.words...)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v are there now (%v)", left, err)
	}
}
