package apptest

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lifeLines is how long the input is of the tests about what users do to a
// pipeline and its files.
const lifeLines = exactLines / 5

// waiting lets a pipeline follow its input, so that it does not end by itself
// and can be met in the midst of it. A run that does not follow goes on from
// there: nothing of this is in the definition of a query.
func waiting(config string) string {
	return strings.NewReplacer(`path: "${IN}"`, `path: "${IN}", follow: true`, "emit: every_event", "emit: every_event, when_idle: hold").Replace(config)
}

// life is what the tests about users have in common: an input, and what becomes
// of it when nobody interferes. Each site has an input of its own in its folder,
// where it is by the same name.
type life struct {
	root, in string
	text     []byte
	want     *site
}

const inName = "in.jsonl"

func newLife(t testing.TB, config string) *life {
	t.Helper()
	return newLifeOf(t, config, newTraffic(*seed, inName, exactBulk).lines(lifeLines))
}

func newLifeOf(t testing.TB, config string, text []byte) *life {
	t.Helper()
	l := &life{root: scratch(t), in: inName, text: text}
	l.want = l.whole(t, config)
	l.want.finish(t)
	for _, name := range outputs {
		if l.want.size(name) == 0 {
			t.Fatalf("%s is empty: this input proves nothing", name)
		}
	}
	return l
}

// whole is a new site with all of the input.
func (l *life) whole(t testing.TB, config string) *site {
	t.Helper()
	s := newSite(t, l.root, config, l.in)
	l.feed(t, s, 1)
	return s
}

// feed lets a site's input grow to a part of the whole, at the end of a line.
func (l *life) feed(t testing.TB, s *site, part float64) {
	t.Helper()
	f, err := os.OpenFile(s.path(inName), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	to := bytes.LastIndexByte(l.text[:int(part*float64(len(l.text)))], '\n') + 1
	if _, err := f.Write(l.text[s.size(inName):to]); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// begin starts the pipeline on a new site with half of the input and returns in
// the midst of it: some rows are there, others are to come, and it will not end
// by itself. The rest of the input is for whatever comes next.
func (l *life) begin(t testing.TB, config string) (*site, *running) {
	t.Helper()
	s := newSite(t, l.root, config, l.in)
	return s, l.beginAt(t, s, config)
}

// beginAt is begin on a site that is there.
func (l *life) beginAt(t testing.TB, s *site, config string) *running {
	t.Helper()
	s.setConfig(t, waiting(config))
	l.feed(t, s, 0.5)
	r := s.start(t)
	l.rows(t, s, r, 0.25)
	s.setConfig(t, config)
	return r
}

// rows waits until a process has put out a part of the rows.
func (l *life) rows(t testing.TB, s *site, r *running, part float64) {
	t.Helper()
	least := int64(part * float64(l.want.size("results.jsonl")))
	r.until(t, "its rows", func() bool { return s.size("results.jsonl") > least })
}

// half is begin, and then a signal that lets the pipeline end in good order.
func (l *life) half(t testing.TB, config string) *site {
	t.Helper()
	s, r := l.begin(t, config)
	r.terminate(t)
	l.feed(t, s, 1)
	return s
}

// killed is begin, and then a signal that it cannot catch.
func (l *life) killed(t testing.TB, config string) *site {
	t.Helper()
	s, r := l.begin(t, config)
	if !r.kill() {
		t.Fatalf("the process has ended by itself\n%s", &r.err)
	}
	l.feed(t, s, 1)
	return s
}

// until waits for something that a process does while it runs.
func (r *running) until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		select {
		case <-r.done:
			t.Fatalf("waiting for %s, the process has ended with exit code %d\n%s", what, r.ProcessState.ExitCode(), &r.err)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s: this does not come", what)
		}
	}
}

// terminate asks the process to end, and wants it to do so with exit code 0.
func (r *running) terminate(t testing.TB) {
	t.Helper()
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := r.code(t); code != 0 {
		t.Fatalf("after a signal the exit code is %d\n%s", code, &r.err)
	}
}

// do runs a command on the site, with its config, and returns what it prints.
func (s *site) do(t testing.TB, args ...string) string {
	t.Helper()
	r := s.start(t, args...)
	if code := r.code(t); code != 0 {
		t.Fatalf("%q: exit code %d\n%s", args, code, &r.err)
	}
	return r.out.String()
}

// refused wants a start, or a command, to end with exit code 1 and a message
// with all of the words.
func (s *site) refused(t testing.TB, words []string, args ...string) {
	t.Helper()
	r := s.start(t, args...)
	if code := r.code(t); code != 1 {
		t.Errorf("%q: exit code %d, want 1\n%s", args, code, &r.err)
	}
	wantWords(t, fmt.Sprintf("%q", args), r.err.String(), words...)
}

func wantWords(t testing.TB, what, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s: no %q in what it says: %s", what, w, text)
		}
	}
}

// tree is what a folder holds: the content of each file, by path. LOCK is left
// out, as looking takes it.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "LOCK" {
			return err
		}
		name, text := strings.TrimPrefix(path, dir), []byte(d.Type().String())
		if d.Type().IsRegular() {
			text, err = os.ReadFile(path)
		}
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// untouched wants nothing below a folder to have changed, but what is named by
// a prefix.
func untouched(t testing.TB, what, dir string, before map[string]string, but ...string) {
	t.Helper()
	after := tree(t, dir)
	for _, files := range []map[string]string{before, after} {
		maps.DeleteFunc(files, func(name, _ string) bool {
			return slices.ContainsFunc(but, func(p string) bool { return strings.HasPrefix(name, p) })
		})
	}
	for name, text := range before {
		if now, ok := after[name]; !ok {
			t.Errorf("%s: %s is gone", what, name)
		} else if now != text {
			t.Errorf("%s: %s has changed, from %d to %d bytes", what, name, len(text), len(now))
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s: %s has come", what, name)
		}
	}
}

// ended runs the pipeline to its end, and wants every row once, in its place.
func (l *life) ended(t testing.TB, s *site, args ...string) (log string) {
	t.Helper()
	log = s.finish(t, args...)
	compareExactly(t, l.want, s)
	compareLedgers(t, l.want, s)
	return log
}

// glob returns what a pattern below the site matches.
func (s *site) glob(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(s.path(pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// asideOf is where the state was moved to, the first time if there were several.
func (s *site) asideOf(t testing.TB) string {
	t.Helper()
	found := s.glob(t, "state/db.aside-*")
	if len(found) == 0 {
		t.Fatal("nothing was moved aside")
	}
	return found[0]
}
