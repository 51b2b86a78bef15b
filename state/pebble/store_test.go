package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/llm-optimizer/processor/state"
)

// storeWith returns a closed store that holds k=v and, under the name c, a
// checkpoint with it.
func storeWith(t *testing.T, s *Store) *Store {
	t.Helper()
	b := mustOpen(t, s)
	mustSet(t, b, "k", "v")
	if err := b.Checkpoint(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSet(t *testing.T, b state.Backend, key, value string) {
	t.Helper()
	var batch state.Batch
	batch.Set([]byte(key), []byte(value))
	if err := b.Apply(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
}

// holds compares what a view of a store holds.
func holds(t *testing.T, s *Store, checkpoint, want string) {
	t.Helper()
	v, err := s.View(t.Context(), checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	got, err := contentOf(t.Context(), v)
	if err := closeAfter(v, err); err != nil || got != want {
		t.Errorf("%s holds %q, %v; want %q", s.dirOf(checkpoint), got, err, want)
	}
}

func TestNoPath(t *testing.T) {
	s := new(Store)
	if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "no path") {
		t.Errorf("Open without a path says %v", err)
	}
}

// TestNothingIsMade looks for traces of calls on a store that does not exist.
func TestNothingIsMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := &Store{Path: dir}
	_, _ = s.View(t.Context(), "")
	_, _ = s.View(t.Context(), "c")
	_, _ = s.Checkpoints(t.Context())
	_ = s.Drop(t.Context(), "c")
	_, _ = s.Restore(t.Context(), "c")
	_, _ = s.Reset(t.Context())
	if _, err := os.Stat(dir); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("there is something: %v", err)
	}
}

// TestLockOfAnotherProcess lets this test binary open the store a second time.
func TestLockOfAnotherProcess(t *testing.T) {
	const env = "PEBBLE_TEST_OPEN"
	if dir := os.Getenv(env); dir != "" {
		_, err := (&Store{Path: dir}).Open(t.Context())
		fmt.Println("in use:", errors.Is(err, state.ErrInUse), err)
		return
	}
	dir := t.TempDir()
	b := mustOpen(t, &Store{Path: dir})
	defer func() { _ = b.Close() }()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLockOfAnotherProcess$")
	cmd.Env = append(os.Environ(), env+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "in use: true") || !strings.Contains(string(out), dir) {
		t.Errorf("the other process says %v:\n%s", err, out)
	}
	mustSet(t, b, "k", "v")
}

// TestLockBySpelling opens a folder under another name for it.
func TestLockBySpelling(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	b := mustOpen(t, &Store{Path: filepath.Join(dir, "state")})
	defer func() { _ = b.Close() }()
	for _, path := range []string{"state", "./state/", "link/state"} {
		if _, err := (&Store{Path: path}).Open(t.Context()); !errors.Is(err, state.ErrInUse) {
			t.Errorf("a second Open as %s says %v", path, err)
		}
		if _, err := (&Store{Path: path}).View(t.Context(), ""); !errors.Is(err, state.ErrInUse) {
			t.Errorf("a View as %s says %v", path, err)
		}
	}
	mustSet(t, b, "k", "v")
}

// readOnlyFS is a file system that may not be written to.
type readOnlyFS struct{ vfs.FS }

func (readOnlyFS) Lock(name string) (io.Closer, error) {
	return nil, &iofs.PathError{Op: "open", Path: name, Err: syscall.EROFS}
}

func (readOnlyFS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, &iofs.PathError{Op: "open", Path: name, Err: syscall.EROFS}
}

func (readOnlyFS) Rename(name, _ string) error {
	return &iofs.PathError{Op: "rename", Path: name, Err: syscall.EROFS}
}

func (readOnlyFS) Remove(name string) error {
	return &iofs.PathError{Op: "remove", Path: name, Err: syscall.EROFS}
}

func TestViewWithoutPermission(t *testing.T) {
	mem := vfs.NewMem()
	storeWith(t, &Store{Path: "state", FS: mem})
	s := &Store{Path: "state", FS: readOnlyFS{mem}}
	holds(t, s, "", "k=v\n")
	holds(t, s, "c", "k=v\n")
	if _, err := s.Open(t.Context()); !errors.Is(err, syscall.EROFS) || errors.Is(err, state.ErrCorrupt) {
		t.Errorf("Open says %v", err)
	}
}

// TestViewWritesNothing compares folders, also after a crash that has left a
// log to replay.
func TestViewWritesNothing(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := &Store{Path: "state", FS: mem}
	b := mustOpen(t, s)
	mustSet(t, b, "k", "v")
	if err := b.Checkpoint(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	mustSet(t, b, "l", "w")
	crashed := cloneOf(mem)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	before := crashed.String()
	s = &Store{Path: "state", FS: crashed}
	holds(t, s, "c", "k=v\n")
	holds(t, s, "", "k=v\nl=w\n")
	if after := crashed.String(); after != before {
		t.Errorf("views have changed the folder from\n%s\nto\n%s", before, after)
	}
}

// TestCopy views a folder that was copied while its store was closed, and goes
// on with it.
func TestCopy(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	storeWith(t, &Store{Path: from})
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	s := &Store{Path: to}
	holds(t, s, "c", "k=v\n")
	holds(t, s, "", "k=v\n")
	b := mustOpen(t, s)
	mustSet(t, b, "l", "w")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	holds(t, s, "", "k=v\nl=w\n")
}

// TestFormat meets databases of later formats: one that Pebble could read, and
// one that it could not.
func TestFormat(t *testing.T) {
	for _, format := range []int{int(Format) + 1, 999} {
		mem := vfs.NewMem()
		s := storeWith(t, &Store{Path: "state", FS: mem})
		renameIn(t, mem, s.db(), "marker.format-version.", fmt.Sprintf("marker.format-version.000099.%03d", format))
		_, openErr := s.Open(t.Context())
		_, viewErr := s.View(t.Context(), "")
		for _, err := range []error{openErr, viewErr} {
			if !errors.Is(err, state.ErrVersion) || errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprint(format)) {
				t.Errorf("a database of format %d gives %v", format, err)
			}
		}
		if aside, err := s.Restore(t.Context(), "c"); err != nil || aside == "" {
			t.Errorf("Restore says %q, %v", aside, err)
		}
		holds(t, s, "", "k=v\n")
	}
}

func renameIn(t *testing.T, fs vfs.FS, dir, prefix, to string) {
	t.Helper()
	list, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(name string) bool { return strings.HasPrefix(name, prefix) })
	if i < 0 {
		t.Fatalf("no file of %v begins with %s", list, prefix)
	}
	if to == "" {
		err = fs.Remove(fs.PathJoin(dir, list[i]))
	} else {
		err = fs.Rename(fs.PathJoin(dir, list[i]), fs.PathJoin(dir, to))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestMissingFile loses files: the store must not begin anew.
func TestMissingFile(t *testing.T) {
	for _, prefix := range []string{"marker.manifest.", "marker.format-version.", "MANIFEST-", guardName, "0"} {
		mem := vfs.NewMem()
		s := storeWith(t, &Store{Path: "state", FS: mem})
		list, err := mem.List(s.db())
		if err != nil {
			t.Fatal(err)
		}
		if prefix == "0" { // the table, not the log
			for _, name := range list {
				if strings.HasSuffix(name, ".sst") {
					prefix = name
				}
			}
		}
		marker, err := currentManifest(mem, s.db())
		if prefix == "MANIFEST-" && err == nil {
			prefix = marker
		}
		renameIn(t, mem, s.db(), prefix, "")
		if _, err := s.Open(t.Context()); !errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), "processor state restore") {
			t.Errorf("without %s Open says %v", prefix, err)
		}
		if _, err := s.View(t.Context(), ""); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("without %s View says %v", prefix, err)
		}
	}
}

func TestNamesOfCheckpoints(t *testing.T) {
	s := &Store{Path: "state", FS: vfs.NewMem()}
	b := mustOpen(t, s)
	for _, name := range []string{"", ".", "..", ".tmp-x", "a/b", "../db", "a b", "-a", strings.Repeat("a", 129)} {
		if err := b.Checkpoint(t.Context(), name); err == nil {
			t.Errorf("a checkpoint is called %q", name)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../db", ".", "x/../../db"} {
		_, viewErr := s.View(t.Context(), name)
		_, restoreErr := s.Restore(t.Context(), name)
		for _, err := range []error{viewErr, restoreErr, s.Drop(t.Context(), name)} {
			if !errors.Is(err, state.ErrNotFound) {
				t.Errorf("checkpoint %q gives %v", name, err)
			}
		}
	}
	if there, err := s.exists(s.db()); err != nil || !there {
		t.Errorf("the database is gone: %v", err)
	}
}

// TestDamagedCheckpoint is not restored, and leaves the store alone.
func TestDamagedCheckpoint(t *testing.T) {
	mem := vfs.NewMem()
	s := storeWith(t, &Store{Path: "state", FS: mem})
	renameIn(t, mem, s.checkpoint("c"), "MANIFEST-", "")
	renameIn(t, mem, s.checkpoint("c"), "MANIFEST-", "")
	if _, err := s.Restore(t.Context(), "c"); !errors.Is(err, state.ErrCorrupt) {
		t.Errorf("Restore says %v", err)
	}
	holds(t, s, "", "k=v\n")
	list, err := mem.List("state")
	if err != nil {
		t.Fatal(err)
	}
	mustOpenAndClose(t, s)
	after, err := mem.List("state")
	if err != nil || slices.ContainsFunc(after, func(name string) bool { return strings.HasPrefix(name, tmpPrefix) }) {
		t.Errorf("after Open there are %v, %v; before there were %v", after, err, list)
	}
}

func mustOpenAndClose(t *testing.T, s *Store) {
	t.Helper()
	if err := mustOpen(t, s).Close(); err != nil {
		t.Fatal(err)
	}
}

// The power may go when an old log is removed and the new one not yet there for
// sure: then Pebble begins with a manifest that it only reads.
func TestCheckpointWithoutALog(t *testing.T) {
	mem, want := damagedStore(t, true)
	s := &Store{Path: "state/health", FS: mem, Idle: -1}
	b, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mem = cloneOf(mem)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := mem.List(s.db())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range list {
		if data, _ := mem.UnsafeGetFileDataBuffer(s.db() + "/" + file); path.Ext(file) == ".log" && len(data) == 0 {
			if err := mem.Remove(s.db() + "/" + file); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.FS = mem
	if b, err = s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.(state.Checkpointer).Checkpoint(t.Context(), "one"); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restore(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if got, err := reread(t, mem); err != nil || got != want {
		t.Errorf("the checkpoint does not hold what the state did: %v", err)
	}
}

// TestCheckpointsByHand come first, and one without a number that can be read
// is no less a checkpoint.
func TestCheckpointsByHand(t *testing.T) {
	mem := vfs.NewMem()
	s := storeWith(t, &Store{Path: "state", FS: mem})
	if err := s.copyDatabase(s.checkpoint("c"), s.checkpoint("z")); err != nil {
		t.Fatal(err)
	}
	b := mustOpen(t, s)
	if err := b.Checkpoint(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := s.Checkpoints(t.Context())
	if err != nil || !slices.Equal(got, []string{"z", "c", "a"}) {
		t.Errorf("the checkpoints are %v, %v", got, err)
	}
	holds(t, s, "z", "k=v\n")
}

// TestContext ends before anything is done.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := storeWith(t, &Store{Path: "state", FS: vfs.NewMem()})
	_, openErr := s.Open(ctx)
	_, viewErr := s.View(ctx, "")
	_, listErr := s.Checkpoints(ctx)
	_, restoreErr := s.Restore(ctx, "c")
	_, resetErr := s.Reset(ctx)
	for i, err := range []error{openErr, viewErr, listErr, s.Drop(ctx, "c"), restoreErr, resetErr} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d says %v", i, err)
		}
	}
	holds(t, s, "c", "k=v\n")
	holds(t, s, "", "k=v\n")
}
