package pebble

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/llm-optimizer/processor/state"
)

// damagedStore fills a store on a file system in memory: closed, or as a crash
// leaves it.
func damagedStore(t *testing.T, closed bool) (mem *vfs.MemFS, content string) {
	t.Helper()
	mem = vfs.NewCrashableMem()
	h := newHistory(rand.New(rand.NewPCG(11, 0)), mem)
	b, err := h.store.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.b = b
	for range 60 {
		if err := h.apply(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if closed {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	} else {
		defer func() { _ = b.Close() }()
	}
	return cloneOf(mem), dumpOf(h.now)
}

// cloneOf copies a file system.
func cloneOf(mem *vfs.MemFS) *vfs.MemFS {
	return mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))})
}

// damages are what may happen to a file: a bit changes, the end is cut off, a
// block becomes zeros.
var damages = map[string]func(data []byte, at int) []byte{
	"bit": func(data []byte, at int) []byte {
		data[at] ^= 1 << (at % 8)
		return data
	},
	"cut": func(data []byte, at int) []byte { return data[:at] },
	"zeros": func(data []byte, at int) []byte {
		clear(data[at:min(at+512, len(data))])
		return data
	},
}

// TestDamage damages every file of a closed store at many places: the store
// holds what it held or says that it is damaged, and names the folder.
func TestDamage(t *testing.T) {
	mem, want := damagedStore(t, true)
	found := damageAll(t, mem, func(t *testing.T, file, what string, at int, got string, err error) {
		switch {
		case err == nil && got != want:
			t.Errorf("%s %s at %d: the store silently holds something else", what, file, at)
		case err != nil && !errors.Is(err, state.ErrCorrupt) && !errors.Is(err, state.ErrVersion):
			t.Errorf("%s %s at %d: the error is none of damage: %v", what, file, at, err)
		case err != nil && !strings.Contains(err.Error(), "state/health"):
			t.Errorf("%s %s at %d: the error does not say where: %v", what, file, at, err)
		}
	})
	for class, n := range found {
		if strings.HasPrefix(class, ".sst") && n == 0 {
			t.Errorf("no damage to a table was found")
		}
	}
	t.Logf("found: %v", found)
}

// TestDamageAfterCrash does so to a store that was not closed, so that the log
// counts. As nothing but the process was lost, all that was acknowledged is
// there, or the damage is found.
func TestDamageAfterCrash(t *testing.T) {
	mem, want := damagedStore(t, false)
	found := damageAll(t, mem, func(t *testing.T, file, what string, at int, got string, err error) {
		if err == nil && got != want {
			t.Errorf("%s %s at %d: the store silently holds something else", what, file, at)
		}
		if err != nil && !errors.Is(err, state.ErrCorrupt) && !errors.Is(err, state.ErrVersion) {
			t.Errorf("%s %s at %d: the error is none of damage: %v", what, file, at, err)
		}
	})
	t.Logf("found: %v", found)
}

// TestLostFile removes each file of a store that was not closed: what was
// acknowledged is there without it, or it is missed.
func TestLostFile(t *testing.T) {
	mem, want := damagedStore(t, false)
	list, err := mem.List("state/health/db")
	if err != nil {
		t.Fatal(err)
	}
	var missed []string
	for _, file := range list {
		fs := cloneOf(mem)
		if err := fs.Remove("state/health/db/" + file); err != nil {
			t.Fatal(err)
		}
		switch got, err := reread(t, fs); {
		case err == nil && got != want:
			t.Errorf("without %s the store silently holds something else", file)
		case err != nil && !errors.Is(err, state.ErrCorrupt):
			t.Errorf("without %s the error is none of damage: %v", file, err)
		case err != nil:
			missed = append(missed, path.Ext(file))
		}
	}
	for _, ext := range []string{".log", ".sst"} {
		if !slices.Contains(missed, ext) {
			t.Errorf("no file %s is missed, of %v", ext, list)
		}
	}
}

// damageAll damages each file of a store in copies of it, and returns in how
// many that was found, by kind of file and damage.
func damageAll(t *testing.T, mem *vfs.MemFS, judge func(t *testing.T, file, what string, at int, got string, err error)) map[string]int {
	t.Helper()
	found := map[string]int{}
	list, err := mem.List("state/health/db")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	for _, file := range list {
		name := "state/health/db/" + file
		data, err := mem.UnsafeGetFileDataBuffer(name)
		if err != nil {
			t.Fatal(err)
		}
		for what, damage := range damages {
			kind := path.Ext(file) + strings.TrimRight(strings.TrimSuffix(file, path.Ext(file)), "0123456789-") + " " + what
			for n := range places() {
				if len(data) == 0 {
					continue
				}
				at := placeOf(n, len(data))
				fs := cloneOf(mem)
				overwrite(t, fs, name, damage(slices.Clone(data), at))
				got, err := reread(t, fs)
				if err != nil {
					found[kind]++
				} else {
					found[kind] += 0
				}
				judge(t, file, what, at, got, err)
			}
		}
	}
	return found
}

// places is how many places of a file are damaged.
func places() int {
	if testing.Short() {
		return 9
	}
	return 24
}

// placeOf spreads places over a file, with some at its ends.
func placeOf(n, size int) int {
	switch {
	case n < 4:
		return min(n*5, size-1)
	case n < 8:
		return max(size-1-(n-4)*13, 0)
	}
	return int(uint64(n) * 0x9e3779b97f4a7c15 >> 20 % uint64(size))
}

func overwrite(t *testing.T, fs *vfs.MemFS, name string, data []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// reread opens a store and returns what it holds.
func reread(t *testing.T, fs vfs.FS) (string, error) {
	t.Helper()
	s := &Store{Path: "state/health", FS: fs, MemtableBytes: 64 << 10, Idle: -1}
	b, err := s.Open(t.Context())
	if err != nil {
		return "", err
	}
	got, err := contentOf(t.Context(), b)
	if closeErr := b.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("%w: %w", state.ErrCorrupt, closeErr))
	}
	return got, err
}
