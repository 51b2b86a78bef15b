package apptest

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	seed = flag.Uint64("seed", 1, "of the inputs, and of the moments at which the process is killed")
	keep = flag.Bool("keep", false, "leave the files of the tests that kill the process where they are")
)

// killsVar scales how often the tests kill the process: 10 is ten times as often.
const killsVar = "APPTEST_KILLS"

func scaled(t testing.TB, n int) int {
	t.Helper()
	if testing.Short() {
		n = (n + 4) / 5
	}
	text := os.Getenv(killsVar)
	if text == "" {
		return n
	}
	factor, err := strconv.ParseFloat(text, 64)
	if err != nil || factor <= 0 {
		t.Fatalf("%s is %q, want a positive number", killsVar, text)
	}
	return max(1, int(float64(n)*factor))
}

// scratch is a folder for a test that kills the process. It lies in memory where
// that is possible: what a killed process has written is there whether it was
// synced or not, so the disk would only make the test slow.
func scratch(t testing.TB) string {
	t.Helper()
	const memory = "/dev/shm"
	root := os.TempDir()
	if info, err := os.Stat(memory); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" {
		root = memory
	}
	dir, err := os.MkdirTemp(root, "processor-kill")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() {
		if *keep {
			t.Logf("the files are in %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// site is where one pipeline lives: its config, its outputs and its state. All
// runs of the pipeline, killed or not, share it.
type site struct {
	program string // path of the binary
	config  string
	in, dir string
	env     []string
	// stdout is where its processes write to; nil keeps it in memory.
	stdout *os.File
	// looking is held while its state is looked at, which only one process may.
	looking sync.Mutex
	// ledgers and places are for atEnd.
	once            sync.Once
	ledgers, places string
}

// newSite makes a site in a new folder below root.
func newSite(t testing.TB, root, config, in string) *site {
	t.Helper()
	dir, err := os.MkdirTemp(root, "site")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{program: binary, config: filepath.Join(dir, "config.yaml"), in: in, dir: dir}
	s.setConfig(t, config)
	return s
}

func (s *site) setConfig(t testing.TB, config string) {
	t.Helper()
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) state() string { return s.path("state") }

// read returns an output, nothing if it is not there.
func (s *site) read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(s.path(name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

func (s *site) size(name string) int64 {
	info, err := os.Stat(s.path(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// running is a process that was started. done is closed when it has ended.
type running struct {
	*process
	done chan struct{}
	end  error
}

// start starts the pipeline, or the command in args.
func (s *site) start(t testing.TB, args ...string) *running {
	t.Helper()
	r := &running{process: newProcess(append([]string{"IN=" + s.in, "OUT=" + s.dir}, s.env...), append(args, "--config", s.config)...), done: make(chan struct{})}
	r.Path, r.Dir = s.program, s.dir
	if s.stdout != nil {
		r.Stdout = s.stdout
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		r.end = r.Wait()
	}()
	t.Cleanup(func() { r.kill() })
	return r
}

// patience is how long a process may take for what takes it a second.
const patience = 2 * time.Minute

// code waits for the end and returns the exit code; -1 is an end by a signal.
func (r *running) code(t testing.TB) int {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		_ = r.Process.Signal(syscall.SIGQUIT)
		time.AfterFunc(10*time.Second, func() { _ = r.Process.Kill() })
		<-r.done
		t.Fatalf("the process does not end\n%s", &r.err)
	}
	return r.ProcessState.ExitCode()
}

// kill kills the process and reports whether it was still there.
func (r *running) kill() bool {
	_ = r.Process.Kill()
	<-r.done
	return r.ProcessState.ExitCode() == -1
}

// killAfter kills the process after a delay, unless it ends by itself before.
func (r *running) killAfter(delay time.Duration) bool {
	select {
	case <-r.done:
	case <-time.After(delay):
	}
	return r.kill()
}

// finish runs the pipeline to its end and returns what it logged.
func (s *site) finish(t testing.TB, args ...string) string {
	t.Helper()
	r := s.start(t, args...)
	if code := r.code(t); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &r.err)
	}
	return r.err.String()
}

// killer kills processes at random moments and keeps the score.
type killer struct {
	rng *rand.Rand
	// whole is the longest time that a process is given, at first that of a run
	// that nobody disturbs.
	whole time.Duration
	// starts is how many processes were to be killed, kills how many were before
	// they had ended, and advanced how many of those had got further than all
	// before them.
	starts, kills, advanced int
}

// delay is a moment to kill at: one time in four while the process recovers,
// else anywhere in the midst of it.
func (k *killer) delay() (d time.Duration, early bool) {
	if k.rng.IntN(4) == 0 {
		return time.Duration(k.rng.Int64N(int64(30 * time.Millisecond))), true
	}
	return time.Duration(k.rng.Int64N(int64(k.whole))), false
}

// one starts the pipeline and kills it; it reports whether the pipeline had
// ended by itself, as it must with exit code 0. A machine that becomes busy
// makes runs longer, so it learns how long they take.
func (k *killer) one(t testing.TB, s *site) (ended bool) {
	t.Helper()
	before := s.size("results.jsonl")
	k.starts++
	r := s.start(t)
	delay, early := k.delay()
	if r.killAfter(delay) {
		k.kills++
		switch further := s.size("results.jsonl") > before; {
		case further:
			k.advanced++
		case !early:
			k.whole += k.whole / 8
		}
		return false
	}
	if code := r.code(t); code != 0 {
		t.Fatalf("seed %d, after %d kills: exit code %d\n%s", *seed, k.kills, code, &r.err)
	}
	if !early {
		k.whole -= k.whole / 4
	}
	return true
}

// disturb kills and restarts the pipeline until it ends by itself.
func (k *killer) disturb(t testing.TB, s *site) {
	t.Helper()
	for !k.one(t, s) {
	}
}

// score refuses a test that did not do what it is for.
func (k *killer) score(t testing.TB) {
	t.Helper()
	t.Logf("killed %d of %d processes, %d of them further than all before", k.kills, k.starts, k.advanced)
	if 2*k.kills < k.starts || 4*k.advanced < k.kills {
		t.Errorf("seed %d: of %d processes %d were killed before they ended, and %d while they got further: too few to prove anything", *seed, k.starts, k.kills, k.advanced)
	}
}
