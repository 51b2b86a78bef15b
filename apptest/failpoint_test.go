package apptest

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// deadly is the program with failpoints in it.
var deadly = sync.OnceValues(func() (string, error) {
	path := binary + "-failpoint"
	build := exec.Command("go", "build", "-tags", "failpoint", "-o", path, "../cmd/processor")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building with failpoints: %w\n%s", err, out)
	}
	return path, nil
})

// What the environment tells the program with failpoints.
const (
	killAt = "PROCESSOR_FAILPOINT="
	logTo  = "PROCESSOR_FAILPOINT_LOG="
)

// The points that must be there, by the run that comes to them: one that is gone
// from the code, or never reached any more, protects nothing.
var (
	freshPoints = []string{
		"checkpoint/after-link", "checkpoint/after-rename", "checkpoint/before-link", "checkpoint/before-rename",
		"create/after-rename", "create/before-rename",
		"drop/after-remove", "drop/after-rename", "drop/before-rename",
		"epoch/after", "epoch/before",
		"file/after-sync", "file/after-write", "file/before-sync", "file/before-write",
		"pebble/after-change", "pebble/before-change", "pebble/before-note",
		"recover/begun", "recover/loaded", "recover/marked", "recover/opened", "recover/resumed", "recover/started",
		"sink/after-commit", "sink/after-write", "sink/before-commit", "sink/before-write",
	}
	// onlyFresh are those that a restart does not come to before it goes on.
	onlyFresh = []string{"create/after-rename", "create/before-rename"}
)

// deadlyConfig makes checkpoints all the time. A state that is lost does not go
// unnoticed: nothing begins anew in files that hold rows.
var deadlyConfig = strings.NewReplacer(
	"checkpoint: {every: 100ms, retain: 2}", "checkpoint: {every: 10ms, retain: 1}, on_corruption: restore",
	"epoch: 5ms", "epoch: 2ms",
).Replace(exactConfig)

// deaths is what the runs that die at a failpoint have in common.
type deaths struct {
	root, in string
	want     *site
	// middle is a site that was left by a process killed in the midst of it.
	middle *site

	mu           sync.Mutex
	meant, fired int
}

// fork is a copy of a site as it is on the disk.
func (s *site) fork(t testing.TB, root string) *site {
	t.Helper()
	dir, err := os.MkdirTemp(root, "site")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	return &site{program: s.program, config: filepath.Join(dir, filepath.Base(s.config)), in: s.in, dir: dir}
}

func newDeaths(t *testing.T, count int) *deaths {
	t.Helper()
	program, err := deadly()
	if err != nil {
		t.Fatal(err)
	}
	d := &deaths{root: scratch(t)}
	d.in = filepath.Join(d.root, "in.jsonl")
	writeInput(t, d.in, newTraffic(*seed, "in.jsonl", exactBulk).lines(count))
	d.want, _ = undisturbed(t, d.root, deadlyConfig, d.in)
	d.middle = newSite(t, d.root, deadlyConfig, d.in)
	d.middle.program = program
	return d
}

// reach runs the pipeline on a copy of a site and counts the points it comes to.
func (d *deaths) reach(t *testing.T, from *site, args ...string) map[string]int {
	t.Helper()
	s := from.fork(t, d.root)
	counts := s.points(t, args...)
	compareExactly(t, d.want, s)
	return counts
}

// reachAll is reach, tried again while the run comes to fewer points than it
// may: a short run on a busy machine makes no second checkpoint, of which the
// first would be dropped.
func (d *deaths) reachAll(t *testing.T, from *site, points []string) (counts map[string]int) {
	t.Helper()
	const tries = 30
	for range tries {
		if counts = d.reach(t, from); comesTo(counts, points) {
			break
		}
	}
	return counts
}

// reachRecovering counts the points that runs come to after a death at their
// k-th epoch, and after earlier ones while points are missing: what is left of a
// run may be too short to finish its checkpoint, which its end gives up.
func (d *deaths) reachRecovering(t *testing.T, points []string, k int) map[string]int {
	t.Helper()
	const tries = 30
	counts := map[string]int{}
	for range tries {
		for point, n := range d.reach(t, d.dead(t, "epoch/after", max(k, 1))) {
			counts[point] += n
		}
		if comesTo(counts, points) {
			break
		}
		k /= 2
	}
	return counts
}

// points runs the pipeline, or the command in args, and counts the points that
// it comes to.
func (s *site) points(t *testing.T, args ...string) map[string]int {
	t.Helper()
	s.env = []string{logTo + s.path("points")}
	s.finish(t, args...)
	s.env = nil
	counts := map[string]int{}
	for point := range strings.Lines(s.read(t, "points")) {
		counts[strings.TrimSpace(point)]++
	}
	return counts
}

// die runs the pipeline until it is killed at a point, for the k-th time that it
// comes there; it may end by itself before, which score counts.
func (d *deaths) die(t *testing.T, s *site, point string, k int, args ...string) {
	t.Helper()
	fired := d.prepare(t, s, point, k, args...)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meant++
	if fired {
		d.fired++
	}
}

// dead is a site whose process was killed at a point for the k-th time that it
// came there, or earlier: how many epochs a run has, and with them how often it
// comes to a point, depends on how fast the machine is.
func (d *deaths) dead(t *testing.T, point string, k int) *site {
	t.Helper()
	for ; k > 1; k /= 2 {
		s := d.middle.fork(t, d.root)
		if d.prepare(t, s, point, k) {
			d.mu.Lock()
			d.meant, d.fired = d.meant+1, d.fired+1
			d.mu.Unlock()
			return s
		}
		d.survive(t, s)
	}
	s := d.middle.fork(t, d.root)
	d.die(t, s, point, 1)
	return s
}

// prepare is die for what a test begins with, and reports whether the process
// was killed.
func (d *deaths) prepare(t *testing.T, s *site, point string, k int, args ...string) bool {
	t.Helper()
	s.env = []string{fmt.Sprint(killAt, point, ":", k)}
	r := s.start(t, args...)
	code := r.code(t)
	s.env = nil
	if code != -1 && code != 0 {
		t.Fatalf("to be killed at %s, for the %d. time: exit code %d\n%s", point, k, code, &r.err)
	}
	return code == -1
}

// survive lets the pipeline run to its end, and wants nothing to be missing.
func (d *deaths) survive(t *testing.T, s *site, args ...string) {
	t.Helper()
	s.finish(t, args...)
	compareExactly(t, d.want, s)
	compareLedgers(t, d.want, s)
	if !t.Failed() && !*keep {
		if err := os.RemoveAll(s.dir); err != nil {
			t.Error(err)
		}
	}
}

// some of the k from 1 to n: the first two, one in the middle, the last.
func someOf(n int) []int {
	ks := []int{1, 2, (n + 1) / 2, n}
	slices.Sort(ks)
	return slices.DeleteFunc(slices.Compact(ks), func(k int) bool { return k > n })
}

// need wants points to have been reached.
func need(t *testing.T, counts map[string]int, points ...[]string) {
	t.Helper()
	for _, point := range slices.Concat(points...) {
		if counts[point] == 0 {
			t.Errorf("the point %q was not reached: it is gone from the code, or the run has changed", point)
		}
	}
}

// TestDeathAtEveryStep kills the process on either side of all that it makes
// durable, again while it recovers from that, and wants each result once.
func TestDeathAtEveryStep(t *testing.T) {
	t.Parallel()
	d := newDeaths(t, exactLines/5)
	fresh := d.reachAll(t, d.middle, freshPoints)
	need(t, fresh, freshPoints)
	for point := range fresh {
		if !slices.Contains(freshPoints, point) {
			t.Errorf("the point %q is not in the list of this test", point)
		}
	}
	recoverPoints := slices.DeleteFunc(slices.Clone(freshPoints), func(p string) bool {
		// What is left of the run may be too short for a second checkpoint.
		return slices.Contains(onlyFresh, p) || strings.HasPrefix(p, "drop/")
	})
	recovering := d.reachRecovering(t, recoverPoints, fresh["epoch/after"]/2)
	need(t, recovering, recoverPoints)
	t.Run("then to the end", func(t *testing.T) {
		for _, point := range slices.Sorted(maps.Keys(fresh)) {
			for _, k := range someOf(fresh[point]) {
				t.Run(fmt.Sprint(point, " ", k), func(t *testing.T) {
					t.Parallel()
					d.survive(t, d.dead(t, point, k))
				})
			}
		}
	})
	t.Run("and again while it recovers", func(t *testing.T) {
		for _, first := range []string{"sink/before-commit", "sink/after-write", "epoch/after", "pebble/before-note"} {
			for _, point := range slices.Sorted(maps.Keys(recovering)) {
				if strings.HasPrefix(first, "pebble") != strings.HasPrefix(point, "pebble") {
					continue
				}
				t.Run(fmt.Sprint(first, " ", point), func(t *testing.T) {
					t.Parallel()
					s := d.dead(t, first, (fresh[first]+1)/2)
					d.die(t, s, point, 1)
					d.prepare(t, s, point, 2) // to some it comes once
					d.survive(t, s)
				})
			}
		}
	})
	d.score(t)
}

// score refuses a test in which few processes were killed where they should.
func (d *deaths) score(t *testing.T) {
	t.Helper()
	t.Logf("%d of %d processes died where they should", d.fired, d.meant)
	if 4*d.fired < 3*d.meant {
		t.Errorf("only %d of %d processes died where they should: that proves too little", d.fired, d.meant)
	}
}
