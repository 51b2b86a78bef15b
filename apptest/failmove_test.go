package apptest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The points of what is moved, cut or brought back, each with the run that comes
// to it. Those before are on the way of every run.
var (
	cutPoints     = []string{"file/after-cut", "file/before-cut"}
	asidePoints   = []string{"aside/after-rename", "aside/before-rename"}
	restorePoints = []string{"restore/copied", "restore/in-place", "restore/moved-aside", "restore/next"}
)

// unswept are points at which no test here kills, and why.
var unswept = map[string]string{
	"postgres/before-write-commit": "rows without marks: nothing is promised of them but that they come",
	"postgres/after-write-commit":  "likewise",
	"postgres/after-spill":         "it takes an epoch of more rows than memory is for; the package's own tests come there",
}

// moveLines is how long the input is where only the start is of interest.
const moveLines = exactLines / 20

// TestEveryFailpointIsSwept wants each point of the code to be in one of the
// lists, and nothing else.
func TestEveryFailpointIsSwept(t *testing.T) {
	listed := slices.Concat(freshPoints, cutPoints, asidePoints, restorePoints, serverPoints)
	call := regexp.MustCompile(`failpoint\.At\("([^"]+)"\)`)
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if n := strings.Count(string(text), "failpoint.At("); n != len(call.FindAll(text, -1)) {
			t.Errorf("%s has points whose name is not a literal: no test can list them", path)
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
			if !slices.Contains(listed, m[1]) && unswept[m[1]] == "" {
				t.Errorf("%s: no test kills at the point %q: list it in apptest, with the run that comes to it", path, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, point := range slices.AppendSeq(listed, maps.Keys(unswept)) {
		if !found[point] {
			t.Errorf("the point %q is not in the code any more", point)
		}
	}
}

// begun is a site whose process was killed at a point in the midst of its run.
// Which epoch has rows, and of which sink, depends on how fast the machine is: of
// the times that the run comes to the point the first one counts that leaves rows
// behind and what is useful.
func (d *deaths) begun(t *testing.T, point string, useful func(*site) bool) *site {
	t.Helper()
	const tries = 10
	for range tries {
		times := d.reach(t, d.middle)[point]
		for k := max(times/2, 1); k <= times; k++ {
			s := d.middle.fork(t, d.root)
			d.prepare(t, s, point, k)
			if s.size("results.jsonl") > 0 && useful(s) {
				return s
			}
		}
	}
	t.Fatalf("in none of %d runs killed at %s there are rows and what is to come: this proves nothing", tries, point)
	return nil
}

// comesTo reports whether all of the points were counted.
func comesTo(counts map[string]int, points []string) bool {
	return !slices.ContainsFunc(points, func(p string) bool { return counts[p] == 0 })
}

// way is a way from one site to the end of the run.
type way struct {
	name string
	// command is killed when it comes to one of the points; then comes then, and
	// a start with end. A command of nothing is a start.
	command, then, end []string
	points             []string
	// twice are the points at which what comes next is killed again.
	twice []string
}

// next is what a user calls after the command was killed.
func (w *way) next() []string {
	if w.then != nil {
		return w.then
	}
	return w.end
}

// sweep goes a way, killed at each of its points, and wants every row once.
func (d *deaths) sweep(t *testing.T, from *site, w way) {
	t.Helper()
	s := from.fork(t, d.root)
	reached := s.points(t, w.command...)
	d.survive(t, s)
	need(t, reached, w.points)
	for _, point := range w.points {
		for _, k := range someOf(reached[point]) {
			d.one(t, from, w, fmt.Sprint(point, " ", k), func(t *testing.T, s *site) {
				d.die(t, s, point, k, w.command...)
			})
		}
		for _, again := range w.twice {
			d.one(t, from, w, fmt.Sprint(point, " and ", again), func(t *testing.T, s *site) {
				d.die(t, s, point, 1, w.command...)
				s.perhaps(t, again, w.next()...)
			})
		}
	}
}

// one goes a way once, after the deaths that it is about.
func (d *deaths) one(t *testing.T, from *site, w way, name string, deaths func(*testing.T, *site)) {
	t.Run(w.name+" "+name, func(t *testing.T) {
		t.Parallel()
		s := from.fork(t, d.root)
		deaths(t, s)
		if w.then != nil {
			s.finish(t, w.then...)
		}
		d.survive(t, s, w.end...)
	})
}

// perhaps is killed at a point if it comes there: what is done already is not
// done twice.
func (s *site) perhaps(t *testing.T, point string, args ...string) {
	t.Helper()
	s.env = []string{killAt + point + ":1"}
	r := s.start(t, args...)
	if code := r.code(t); code != -1 && code != 0 {
		t.Fatalf("%q, perhaps to be killed at %s: exit code %d\n%s", args, point, code, &r.err)
	}
	s.env = nil
}

// TestDeathInTheMove kills the process while a state is moved aside for a new
// one or for a checkpoint, and while files are cut. A user then repeats what was
// cut short, or just starts the pipeline.
func TestDeathInTheMove(t *testing.T) {
	t.Parallel()
	d := newDeaths(t, moveLines)
	t.Cleanup(func() { d.score(t) })
	first := []string{"recover/begun", "recover/marked", "recover/resumed", "recover/started"}

	begun := d.begun(t, "sink/before-commit", func(s *site) bool { return comesTo(d.reach(t, s), cutPoints) })
	d.sweep(t, begun, way{name: "cut", points: slices.Concat(cutPoints, first), twice: cutPoints})

	old, anew := begun.fork(t, d.root), slices.Concat(asidePoints, onlyFresh, cutPoints)
	old.setConfig(t, strings.ReplaceAll(deadlyConfig, `.jsonl"}`, `.jsonl", on_existing: truncate}`))
	d.sweep(t, old, way{name: "fresh, repeated", command: []string{"--fresh"}, end: []string{"--fresh"}, points: anew, twice: anew})
	d.sweep(t, old, way{name: "fresh, once", command: []string{"--fresh"}, points: slices.Concat(anew, first)})

	saved, back := d.saved(t), slices.Concat(asidePoints, restorePoints)
	restore := []string{"state", "restore", saved.checkpoints(t)[0]}
	d.sweep(t, saved, way{name: "restore, repeated", command: restore, then: restore, points: back, twice: back})
	d.sweep(t, saved, way{name: "restore, once", command: restore, points: back, twice: cutPoints})

	spoilt := saved.fork(t, d.root)
	spoilt.spoil(t)
	d.sweep(t, spoilt, way{name: "damage", points: slices.Concat(back, cutPoints), twice: []string{"restore/moved-aside", "restore/next", "file/before-cut"}})
}

// saved is a site with one checkpoint and rows of later epochs, which a restore
// has to cut.
func (d *deaths) saved(t *testing.T) (saved *site) {
	t.Helper()
	d.begun(t, "sink/after-commit", func(s *site) bool {
		for _, c := range s.glob(t, "state/checkpoints/*") {
			if err := os.RemoveAll(c); err != nil {
				t.Fatal(err)
			}
		}
		s.finish(t, "state", "checkpoint")
		s.setConfig(t, strings.Replace(deadlyConfig, "every: 10ms", "every: 1h", 1))
		d.prepare(t, s, "file/after-write", 2)
		spoilt := s.fork(t, d.root)
		spoilt.spoil(t)
		saved = s
		return comesTo(d.reach(t, spoilt), cutPoints)
	})
	return saved
}

// spoil damages the state so that it cannot be read.
func (s *site) spoil(t *testing.T) {
	t.Helper()
	for _, file := range s.glob(t, "state/db/MANIFEST-*") {
		if err := os.Truncate(file, 5); err != nil {
			t.Fatal(err)
		}
	}
}
