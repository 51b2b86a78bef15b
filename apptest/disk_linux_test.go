package apptest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// disk is a file system of its own for what a pipeline writes.
type disk struct{ dir string }

// newDisk mounts a file system, which takes the rights of root.
func newDisk(t *testing.T, root string, mount func(dir string) error) *disk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root may mount a file system")
	}
	dir, err := os.MkdirTemp(root, "disk")
	if err != nil {
		t.Fatal(err)
	}
	if err := mount(dir); err != nil {
		t.Skipf("SKIPPED: no file system can be mounted here: %v", err)
	}
	d := &disk{dir: dir}
	t.Cleanup(func() { d.leave(t) })
	return d
}

// leave unmounts, whether the file system is still in use or not.
func (d *disk) leave(t *testing.T) {
	t.Helper()
	if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
		t.Errorf("unmount %s: %v", d.dir, err)
	}
}

// small is a file system in memory of a size such as 4m.
func small(t *testing.T, root, size string) *disk {
	t.Helper()
	return newDisk(t, root, func(dir string) error {
		return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	})
}

func (d *disk) remount(t *testing.T, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("", d.dir, "", syscall.MS_REMOUNT|flags, options); err != nil {
		t.Fatalf("remount %s: %v", d.dir, err)
	}
}

// fill takes all the space there is, and what becomes free, until a process has
// ended.
func (d *disk) fill(t *testing.T, r *running) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(d.dir, "ballast"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for page, end := make([]byte, 4096), time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-r.done:
			return
		default:
		}
		if _, err = f.Write(page); errors.Is(err, syscall.ENOSPC) {
			time.Sleep(time.Millisecond)
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// What of a site is on the disk in question.
const (
	stateOnIt   = "state"
	outputsOnIt = "outputs"
	allOnIt     = "state and outputs"
)

// onDisk is a new site of which a part is on a disk. Its input and config are not.
func (l *life) onDisk(t *testing.T, what string, d *disk) *site {
	t.Helper()
	elsewhere, err := os.MkdirTemp(l.root, "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	root, state := d.dir, elsewhere
	switch what {
	case stateOnIt:
		root, state = l.root, d.dir
	case allOnIt:
		state = d.dir
	}
	s := newSite(t, root, exactConfig, l.in)
	s.config = filepath.Join(elsewhere, "config.yaml")
	if state, err = os.MkdirTemp(state, "state"); err != nil {
		t.Fatal(err)
	}
	input := filepath.Join(elsewhere, inName)
	for link, to := range map[string]string{s.state(): state, s.path(inName): input} {
		if err := errors.Join(os.WriteFile(input, nil, 0o600), os.Symlink(to, link)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// mustEnd wants a process to end with exit code 1, for one of the reasons, and
// to name a file of what is on the disk.
func mustEnd(t *testing.T, r *running, s *site, what string, reasons ...string) {
	t.Helper()
	if code := r.code(t); code != 1 {
		t.Errorf("exit code %d, want 1\n%s", code, &r.err)
	}
	_, last, ok := strings.Cut(r.err.String(), "processor: pipeline")
	if !ok {
		t.Fatalf("it does not say why it has ended\n%s", &r.err)
	}
	found := false
	for _, reason := range reasons {
		found = found || strings.Contains(last, reason)
	}
	if !found {
		t.Errorf("the reason is none of %q: %s", reasons, last)
	}
	path := s.state()
	if what == outputsOnIt {
		path = s.dir + "/"
	}
	if what == allOnIt {
		path = s.dir
	}
	wantWords(t, "the reason", last, path)
}

const noSpace = "no space left on device"

// wideConfig is for events each of which has a long key of its own: the state
// writes several times what it keeps in memory and takes of the disk beforehand.
var wideConfig = regexp.MustCompile(`(?s)  - name: sliding.*?(  - name: session)(.*?)  - name: counted.*?sinks:`).ReplaceAllString(exactConfig, "$1${2}sinks:")

func wideLines(n int) []byte {
	rng := rand.New(rand.NewPCG(*seed, 17))
	var text []byte
	for line := range bytes.Lines(newTraffic(*seed, inName, 0).lines(n)) {
		key := make([]byte, 1200)
		for i := range key {
			key[i] = byte('a' + rng.IntN(26))
		}
		text = append(text, bytes.Replace(line, []byte(`"k":"`), slices.Concat([]byte(`"k":"`), key), 1)...)
	}
	return text
}

// TestFullDisk fills the disk under a pipeline: it ends and says why, and with
// more space goes on as if nothing had been.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	l := newLifeOf(t, wideConfig, wideLines(lifeLines))
	for _, what := range []string{stateOnIt, outputsOnIt, allOnIt} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := small(t, l.root, "128m")
			s := l.onDisk(t, what, d)
			r := l.beginAt(t, s, wideConfig)
			fed := make(chan struct{})
			go func() {
				defer close(fed)
				d.fill(t, r)
			}()
			l.feed(t, s, 1)
			<-fed
			mustEnd(t, r, s, what, noSpace)
			// It does no harm to start it again. What the last run left behind is
			// tidied up, which may be just the space that the rest takes.
			for range 2 {
				again := s.start(t)
				d.fill(t, again)
				if again.code(t) != 0 {
					mustEnd(t, again, s, what, noSpace)
				}
			}
			d.remount(t, 0, "size=512m")
			wantWords(t, "the log", l.ended(t, s), "recovered state")
		})
	}
	t.Run("from the beginning", func(t *testing.T) {
		t.Parallel()
		d := small(t, l.root, "12k")
		s := l.onDisk(t, stateOnIt, d)
		s.setConfig(t, wideConfig)
		l.feed(t, s, 1)
		mustEnd(t, s.start(t), s, stateOnIt, noSpace)
		d.remount(t, 0, "size=512m")
		l.ended(t, s)
	})
}

// TestReadOnlyDisk can be looked at, and is refused to run on.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	l := newLife(t, exactConfig)
	for _, what := range []string{stateOnIt, outputsOnIt} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := small(t, l.root, "64m")
			s := l.onDisk(t, what, d)
			r := l.beginAt(t, s, exactConfig)
			r.terminate(t)
			l.feed(t, s, 1)
			before := tree(t, d.dir)
			d.remount(t, syscall.MS_RDONLY, "")
			wantWords(t, "state verify", s.do(t, "state", "verify"), "is whole")
			mustEnd(t, s.start(t), s, what, "read-only file system")
			if what == stateOnIt {
				mustEnd(t, s.start(t, "--fresh"), s, what, "read-only file system")
			}
			untouched(t, what, d.dir, before)
			d.remount(t, 0, "")
			l.ended(t, s)
		})
	}
}

// TestFailingDisk lets a file system fail in the midst, as one does whose disk
// has errors: it becomes read-only, and what was not synced is lost. Mounted
// again it has what the pipeline has relied on.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	l := newLife(t, exactConfig)
	for _, what := range []string{stateOnIt, outputsOnIt, allOnIt} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			image := filepath.Join(l.root, strings.ReplaceAll(what, " ", "-")+".img")
			mount := func(dir string) error {
				return command("mount", "-t", "ext4", "-o", "loop", image, dir)
			}
			d := newDisk(t, l.root, func(dir string) error {
				if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 64<<20)); err != nil {
					return err
				}
				return errors.Join(command("mkfs.ext4", "-q", image), mount(dir))
			})
			s := l.onDisk(t, what, d)
			if err := command("sync", "-f", d.dir); err != nil {
				t.Fatal(err)
			}
			r := l.beginAt(t, s, exactConfig)
			d.remount(t, 0, "abort")
			l.feed(t, s, 1)
			mustEnd(t, r, s, what, "read-only file system", "input/output error")
			d.leave(t)
			if err := mount(d.dir); err != nil {
				t.Fatal(err)
			}
			wantWords(t, "the log", l.ended(t, s), "recovered state")
		})
	}
}

// command runs a program of the system.
func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return errors.Join(err, errors.New(strings.TrimSpace(name+": "+string(out))))
	}
	return nil
}
