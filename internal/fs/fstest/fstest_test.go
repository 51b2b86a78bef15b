package fstest

import (
	"errors"
	"io"
	iofs "io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/internal/fs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, f *FS, name string) fs.File {
	t.Helper()
	file, err := f.OpenAppend(name)
	must(t, err)
	return file
}

func write(t testing.TB, file fs.File, text string) {
	t.Helper()
	if n, err := file.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatalf("wrote %d bytes of %q: %v", n, text, err)
	}
}

// text is what a file holds, "-" if there is none.
func text(t testing.TB, f *FS, name string) string {
	t.Helper()
	b, err := f.ReadFile(name)
	if errors.Is(err, iofs.ErrNotExist) {
		return "-"
	}
	must(t, err)
	return string(b)
}

func TestFilesAreFiles(t *testing.T) {
	f := New()
	if _, err := f.OpenAppend("dir/a"); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("open in a folder that is not there: %v", err)
	}
	must(t, f.MkdirAll("dir/deeper"))
	if _, err := f.OpenAppend("dir/deeper"); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("open a folder: %v", err)
	}
	a := open(t, f, "dir/./a")
	if err := f.MkdirAll("dir/a/b"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("make a folder in a file: %v", err)
	}
	write(t, a, "one")
	write(t, open(t, f, "dir/a"), "two") // another that has it open
	var buf [4]byte
	if n, err := a.ReadAt(buf[:], 1); n != 4 || err != nil || string(buf[:]) != "netw" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if n, err := a.ReadAt(buf[:], 4); n != 2 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes at the end, %v", n, err)
	}
	must(t, a.Truncate(2))
	write(t, a, "!")
	info, err := a.Stat()
	must(t, err)
	if info.Size() != 3 || !info.Mode().IsRegular() || info.IsDir() || info.Name() != "a" || text(t, f, "dir/a") != "on!" {
		t.Errorf("%q of %d bytes", text(t, f, "dir/a"), info.Size())
	}
	must(t, a.Close())
	if _, err := a.Write(nil); !errors.Is(err, iofs.ErrClosed) {
		t.Errorf("write when closed: %v", err)
	}
}

// clones makes many crashes, and returns what each left of a file, counted.
func clones(t testing.TB, f *FS, name string, percent int) map[string]int {
	t.Helper()
	found := map[string]int{}
	for seed := range uint64(300) {
		c := f.CrashClone(rand.New(rand.NewPCG(seed, 0)), percent)
		got := text(t, c, name)
		found[got]++
		if again := text(t, c.CrashClone(rand.New(rand.NewPCG(seed, 1)), 0), name); again != got {
			t.Fatalf("what a crash left, %q, is %q after the next one", got, again)
		}
	}
	return found
}

func TestCrashLosesWhatWasNotSynced(t *testing.T) {
	f := New()
	must(t, f.MkdirAll("d"))
	a := open(t, f, "d/a")
	write(t, a, "synced.")
	must(t, a.Sync())
	if got := clones(t, f, "d/a", 0); got["-"] != 300 {
		t.Errorf("without its entry synced: %v", got)
	}
	if got := clones(t, f, "d/a", 50); got["-"] < 100 || got["synced."] < 100 {
		t.Errorf("without its entry synced, in part: %v", got)
	}
	must(t, f.SyncDir("d"))
	write(t, a, "first.")
	write(t, a, "second.")
	for percent, want := range map[int]string{0: "synced.", 100: "synced.first.second."} {
		if got := clones(t, f, "d/a", percent); got[want] != 300 {
			t.Errorf("at %d: %v", percent, got)
		}
	}
	got := clones(t, f, "d/a", 50)
	for _, want := range []string{
		"synced.", "synced.first.", "synced.first.second.", "synced.fir", "synced.first.sec",
		"synced.\x00\x00\x00\x00\x00\x00second.",
	} {
		if got[want] == 0 {
			t.Errorf("no crash left %q: %v", want, got)
		}
	}
	for left := range got {
		if !strings.HasPrefix(left, "synced.") {
			t.Errorf("a crash lost what was synced: %q", left)
		}
	}
	must(t, a.Sync())
	if got := clones(t, f, "d/a", 0); got["synced.first.second."] != 300 {
		t.Errorf("synced again: %v", got)
	}
}

func TestCrashUndoesTruncation(t *testing.T) {
	f := New()
	a := open(t, f, "a")
	must(t, f.SyncDir("."))
	write(t, a, "one.two.")
	must(t, a.Sync())
	must(t, a.Truncate(4))
	got := clones(t, f, "a", 50)
	if len(got) != 2 || got["one."] == 0 || got["one.two."] == 0 {
		t.Errorf("%v", got)
	}
}

// Content is not shared between a file system, its clones and what was given.
func TestCloneIsApart(t *testing.T) {
	f := New()
	a := open(t, f, "a")
	p := []byte("one.")
	_, err := a.Write(p)
	must(t, err)
	p[0] = 'X'
	must(t, a.Sync())
	c := f.CrashClone(rand.New(rand.NewPCG(1, 1)), 100)
	b := open(t, c, "a")
	must(t, b.Truncate(1))
	write(t, b, "ff")
	if got := text(t, f, "a") + " " + text(t, c, "a"); got != "one. off" {
		t.Errorf("they hold %s", got)
	}
}

func TestFaults(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		fault Fault
		want  string // how each call ends: . well, x with the error, ! without power
		text  string
	}{
		{Fault{Class: Write, Call: 2, Err: broken}, ".x..", "aacc"},
		{Fault{Class: Write, Call: 2, Err: broken, Forever: true}, ".xx.", "aa"},
		{Fault{Class: Write, Call: 2, Err: syscall.ENOSPC, Short: true}, ".x..", "aabcc"},
		{Fault{Class: Sync, Call: 1, Err: broken}, "...x", "aabbcc"},
		{Fault{Class: Any, Call: 3, Err: broken}, "..x.", "aabb"},
		{Fault{Class: Any, Call: 2, Crash: true}, ".!!!", "aa"},
		{Fault{Class: Any, Call: 2, Crash: true, Short: true}, ".!!!", "aab"},
		{Fault{Class: Truncate, Call: 1, Err: broken}, "....", "aabbcc"},
	} {
		f := New()
		a := open(t, f, "a")
		f.Inject(c.fault)
		got := ""
		for _, do := range []func() error{
			func() error { _, err := a.Write([]byte("aa")); return err },
			func() error { _, err := a.Write([]byte("bb")); return err },
			func() error { _, err := a.Write([]byte("cc")); return err },
			a.Sync,
		} {
			switch err := do(); {
			case err == nil:
				got += "."
			case errors.Is(err, ErrPowerOff):
				got += "!"
			case c.fault.Err != nil && errors.Is(err, c.fault.Err):
				got += "x"
			default:
				t.Fatal(err)
			}
		}
		if got != c.want || text(t, f, "a") != c.text {
			t.Errorf("%+v: the calls end %s and leave %q, want %s and %q", c.fault, got, text(t, f, "a"), c.want, c.text)
		}
	}
}

func TestEveryClassFails(t *testing.T) {
	for class, call := range map[Class]func(*FS, fs.File) error{
		Open:     func(f *FS, _ fs.File) error { _, err := f.OpenAppend("b"); return err },
		Mkdir:    func(f *FS, _ fs.File) error { return f.MkdirAll("d") },
		SyncDir:  func(f *FS, _ fs.File) error { return f.SyncDir(".") },
		Write:    func(_ *FS, a fs.File) error { _, err := a.Write([]byte("x")); return err },
		Read:     func(_ *FS, a fs.File) error { _, err := a.ReadAt(make([]byte, 1), 0); return err },
		Truncate: func(_ *FS, a fs.File) error { return a.Truncate(0) },
		Sync:     func(_ *FS, a fs.File) error { return a.Sync() },
		Stat:     func(_ *FS, a fs.File) error { _, err := a.Stat(); return err },
		Close:    func(_ *FS, a fs.File) error { return a.Close() },
	} {
		f := New()
		a := open(t, f, "a")
		write(t, a, "text")
		f.Inject(Fault{Class: class, Call: 1, Err: syscall.EIO})
		if err := call(f, a); !errors.Is(err, syscall.EIO) || f.Calls(class) != 1 || f.Calls(Any) != 1 {
			t.Errorf("class %d: %v", class, err)
		}
		if err := call(f, a); err != nil || f.Calls(class) != 2 {
			t.Errorf("class %d, the second call: %v", class, err)
		}
		a = open(t, f, "a")
		f.PowerOff()
		if err := call(f, a); !errors.Is(err, ErrPowerOff) {
			t.Errorf("class %d without power: %v", class, err)
		}
	}
}

// After a sync that failed, the next one does not bring back what the first was
// asked for.
func TestSyncIsNotTriedAgain(t *testing.T) {
	f := New()
	a := open(t, f, "a")
	must(t, f.SyncDir("."))
	write(t, a, "lost.")
	f.Inject(Fault{Class: Sync, Call: 1, Err: syscall.EIO})
	if err := a.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	write(t, a, "kept.")
	must(t, a.Sync())
	if got := clones(t, f, "a", 0); got["\x00\x00\x00\x00\x00kept."] != 300 {
		t.Errorf("%v", got)
	}
}

func TestFolderThatIsNotThere(t *testing.T) {
	if err := New().SyncDir("d"); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("sync: %v", err)
	}
}
