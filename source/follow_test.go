package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
)

// follower runs a following source as the engine does: a goroutine for each
// partition and one for Discover. It collects what was read by partition.
type follower struct {
	t      *testing.T
	src    *File
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	parts []*followed
	err   error
}

type followed struct {
	path  string
	text  strings.Builder
	ended bool
}

func follow(t *testing.T, pattern string) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{t: t, cancel: cancel, src: &File{Path: pattern, Follow: true, poll: 2 * time.Millisecond}}
	parts, err := f.src.Open(ctx)
	must(t, err)
	f.start(ctx, parts)
	f.wg.Go(func() {
		for {
			more, err := f.src.Discover(ctx)
			if err != nil {
				f.fail(err)
				return
			}
			f.start(ctx, more)
		}
	})
	t.Cleanup(func() {
		cancel()
		f.wg.Wait()
		if f.err != nil {
			t.Error(f.err)
		}
	})
	return f
}

func (f *follower) fail(err error) {
	if !errors.Is(err, context.Canceled) {
		f.mu.Lock()
		f.err = errors.Join(f.err, err)
		f.mu.Unlock()
	}
}

func (f *follower) start(ctx context.Context, parts []Partition) {
	for _, p := range parts {
		out := &followed{path: filepath.Base(p.Origin().Path)}
		f.mu.Lock()
		f.parts = append(f.parts, out)
		f.mu.Unlock()
		f.wg.Go(func() { f.fail(f.read(ctx, p, out)) })
	}
}

func (f *follower) read(ctx context.Context, p Partition, out *followed) error {
	if err := p.Open(ctx, 0); err != nil {
		return err
	}
	var c Chunk
	for {
		err := p.Read(ctx, &c)
		if err != nil {
			f.mu.Lock()
			out.ended = errors.Is(err, io.EOF)
			f.mu.Unlock()
			closeErr := p.Close()
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, closeErr)
		}
		f.mu.Lock()
		out.text.Write(c.Data)
		f.mu.Unlock()
	}
}

// state is what has been read: "name:text" for each partition in the order of
// discovery, with a full stop where it ended.
func (f *follower) state() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, p := range f.parts {
		s := p.path + ":" + strings.ReplaceAll(p.text.String(), "\n", ",")
		if p.ended {
			s += "."
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// await waits until the state is as wanted, and still is a few looks later.
func (f *follower) await(want string) {
	f.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for f.state() != want {
		if time.Now().After(deadline) {
			f.t.Fatalf("read %q, want %q", f.state(), want)
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	if got := f.state(); got != want {
		f.t.Fatalf("read %q, want %q and nothing more", got, want)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = f.WriteString(text)
	must(t, err)
	must(t, f.Close())
}

func TestFollowWaitsForWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	appendTo(t, path, "one\ntw")
	f := follow(t, path)
	f.await("a.jsonl:one,")
	appendTo(t, path, "o")
	f.await("a.jsonl:one,")
	appendTo(t, path, "\nthree\n")
	f.await("a.jsonl:one,two,three,")
}

func TestFollowWaitsForFiles(t *testing.T) {
	dir := t.TempDir()
	f := follow(t, filepath.Join(dir, "*.jsonl"))
	f.await("")
	must(t, os.Mkdir(filepath.Join(dir, "folder.jsonl"), 0o700)) // never a file
	appendTo(t, filepath.Join(dir, "b.jsonl"), "b1\n")
	f.await("b.jsonl:b1,")
	appendTo(t, filepath.Join(dir, "a.jsonl"), "a1\n")
	f.await("b.jsonl:b1, a.jsonl:a1,")
	appendTo(t, filepath.Join(dir, "b.jsonl"), "b2\n")
	f.await("b.jsonl:b1,b2, a.jsonl:a1,")
}

// Rotation out of the pattern: the writer goes on with the old file for a
// moment, which is read to its end, a line begun included.
func TestFollowAcrossRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.jsonl")
	appendTo(t, path, "one\n")
	f := follow(t, path)
	f.await("a.jsonl:one,")
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path+".1", "two\nbeg")
	appendTo(t, path, "three\n")
	f.await("a.jsonl:one,two,beg. a.jsonl:three,")
	// Again, so that nothing is left of the first time.
	must(t, os.Rename(path, path+".2"))
	appendTo(t, path, "four\n")
	f.await("a.jsonl:one,two,beg. a.jsonl:three,. a.jsonl:four,")
}

// Rotation within the pattern: the renamed file is known by its identity, is
// not read twice, and is still followed.
func TestFollowAcrossRenameWithinPattern(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.jsonl")
	appendTo(t, path, "one\n")
	f := follow(t, filepath.Join(dir, "*"))
	f.await("a.jsonl:one,")
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "two\n")
	f.await("a.jsonl:one, a.jsonl:two,")
	appendTo(t, path+".1", "more\n")
	f.await("a.jsonl:one,more, a.jsonl:two,")
}

func TestFollowRecreated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	appendTo(t, path, "one\n")
	f := follow(t, path)
	f.await("a.jsonl:one,")
	must(t, os.Remove(path))
	f.await("a.jsonl:one,.")
	appendTo(t, path, "one again\n") // likely with the same inode
	f.await("a.jsonl:one,. a.jsonl:one again,")
}

func TestFollowAcrossTruncation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	appendTo(t, path, "one\ntwo\nbeg")
	f := follow(t, path)
	f.await("a.jsonl:one,two,")
	must(t, os.Truncate(path, 0))
	// What was begun is handed over rather than lost.
	f.await("a.jsonl:one,two,beg")
	appendTo(t, path, "three\n")
	f.await("a.jsonl:one,two,begthree,")
}

// A file that is written anew and is longer at the next look than it was is
// told by how it begins.
func TestFollowWrittenAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, "one\n")
	p := openOne(t, &File{Path: path, Follow: true, poll: time.Millisecond})
	var c Chunk
	must(t, p.Read(t.Context(), &c))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.Read(ctx, &c); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("read at the end: %v", err)
	}
	write(t, path, "another, longer\n") // truncates and writes
	must(t, p.Read(t.Context(), &c))
	if string(c.Data) != "another, longer\n" || c.Offset != 0 {
		t.Errorf("read %q at %d, want the file from its beginning", c.Data, c.Offset)
	}
}

func TestFollowGoesOnAtAPosition(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, "one\ntwo\n")
	for position, want := range map[int64]string{4: "two\n", 100: "one\ntwo\n"} { // 100: cut while nobody looked
		s := &File{Path: path, Follow: true, poll: time.Millisecond}
		parts, err := s.Open(t.Context())
		must(t, err)
		must(t, parts[0].Open(t.Context(), position))
		var c Chunk
		must(t, parts[0].Read(t.Context(), &c))
		if string(c.Data) != want {
			t.Errorf("at %d: read %q, want %q", position, c.Data, want)
		}
		must(t, parts[0].Close())
	}
}

// A cancelled wait loses neither the line begun nor the place.
func TestFollowCancelledWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, "one\nbeg")
	p := openOne(t, &File{Path: path, Follow: true, poll: time.Millisecond})
	var c Chunk
	must(t, p.Read(t.Context(), &c))
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if err := p.Read(ctx, &c); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("read at the end: %v", err)
		}
		cancel()
	}
	appendTo(t, path, "un\n")
	must(t, p.Read(t.Context(), &c))
	if string(c.Data) != "begun\n" || c.Offset != 4 || c.Next != 10 {
		t.Errorf("read %q at %d to %d", c.Data, c.Offset, c.Next)
	}
}

func TestFollowReadsCompressedOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.jsonl.gz")
	f, err := os.Create(path)
	must(t, err)
	z := gzip.NewWriter(f)
	_, err = z.Write([]byte("one\ntwo"))
	must(t, err)
	must(t, z.Close())
	must(t, f.Close())
	fl := follow(t, filepath.Join(dir, "*"))
	fl.await("a.jsonl.gz:one,two.")
	must(t, os.Remove(path))
	appendTo(t, filepath.Join(dir, "b.jsonl"), "b\n")
	fl.await("a.jsonl.gz:one,two. b.jsonl:b,")
	fl.src.mu.Lock()
	defer fl.src.mu.Unlock()
	if n := len(fl.src.known); n != 1 {
		t.Errorf("%d files are known, want 1: the source would grow for ever", n)
	}
}

// A compressed file that was only just made is not one without lines.
func TestFollowWaitsForCompressed(t *testing.T) {
	dir := t.TempDir()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte("one\n"))
	must(t, err)
	must(t, z.Close())
	early, late := filepath.Join(dir, "a.jsonl.gz"), filepath.Join(dir, "b.jsonl.gz")
	write(t, early, "")
	fl := follow(t, filepath.Join(dir, "*"))
	write(t, late, "")
	write(t, filepath.Join(dir, "c.jsonl"), "")
	fl.await("c.jsonl:")
	write(t, early, packed.String())
	fl.await("c.jsonl: a.jsonl.gz:one,.")
	write(t, late, packed.String())
	fl.await("c.jsonl: a.jsonl.gz:one,. b.jsonl.gz:one,.")
}

// A file that is replaced between being found and being opened belongs to the
// partition that finds it next.
func TestFollowReplacedBeforeItsTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, "one\n")
	s := &File{Path: path, Follow: true, poll: time.Millisecond}
	parts, err := s.Open(t.Context())
	must(t, err)
	must(t, os.Rename(path, path+".1"))
	write(t, path, "two\n")
	must(t, parts[0].Open(t.Context(), 0))
	if err := parts[0].Read(t.Context(), new(Chunk)); !errors.Is(err, io.EOF) {
		t.Errorf("read of a file that is gone: %v", err)
	}
	if err := parts[0].(Peeker).Peek(t.Context(), new(Chunk)); !errors.Is(err, io.EOF) {
		t.Errorf("peek at a file that is gone: %v", err)
	}
	must(t, parts[0].Close())
	more, err := s.Discover(t.Context())
	must(t, err)
	if len(more) != 1 {
		t.Fatalf("%d new files", len(more))
	}
	var c Chunk
	must(t, more[0].Open(t.Context(), 0))
	must(t, more[0].Read(t.Context(), &c))
	must(t, more[0].Close())
	if string(c.Data) != "two\n" {
		t.Errorf("read %q", c.Data)
	}
}

func TestPeekWaitsForNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, "beg")
	p := openOne(t, &File{Path: path, Follow: true, poll: time.Millisecond})
	if err := p.(Peeker).Peek(t.Context(), new(Chunk)); !errors.Is(err, io.EOF) {
		t.Errorf("peek at a line begun: %v", err)
	}
}

// A file that lost its name is read for a second more, for its writer may not
// have noticed, and then ends.
func TestFollowGivesARenamedFileGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.jsonl")
		write(t, path, "one\n")
		p := openOne(t, &File{Path: path, Follow: true})
		var c Chunk
		must(t, p.Read(t.Context(), &c))
		must(t, os.Rename(path, path+".1"))
		time.AfterFunc(8*pollEvery, func() { appendTo(t, path+".1", "two\n") })
		must(t, p.Read(t.Context(), &c))
		if string(c.Data) != "two\n" {
			t.Errorf("read %q", c.Data)
		}
		began := time.Now()
		if err := p.Read(t.Context(), &c); !errors.Is(err, io.EOF) {
			t.Fatalf("read at the end: %v", err)
		}
		if waited := time.Since(began); waited != gracePolls*pollEvery {
			t.Errorf("the file ended after %s, want %s", waited, gracePolls*pollEvery)
		}
	})
}
