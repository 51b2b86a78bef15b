package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/event"
)

// savedAt reads a file up to its first chunk with at least position bytes, as a
// run does, and returns what a state keeps of it.
func savedAt(t testing.TB, path string, position int64) Saved {
	t.Helper()
	parts, err := (&File{Path: path}).Open(t.Context())
	must(t, err)
	p := parts[0].(*filePartition)
	p.lines.block = 4
	must(t, p.Open(t.Context(), 0))
	saved := Saved{Origin: p.Origin()}
	var c Chunk
	for saved.Position < position {
		must(t, p.Read(t.Context(), &c))
		saved.Position = c.Next
		if c.Token != nil {
			saved.Token = c.Token
		}
	}
	must(t, p.Close())
	return saved
}

// recognize opens a source and asks it about the saved places.
func recognize(t testing.TB, s *File, saved ...Saved) (parts []Partition, match, gone []int) {
	t.Helper()
	s.poll = time.Millisecond
	parts, err := s.Open(t.Context())
	must(t, err)
	match, gone, err = s.Recognize(t.Context(), parts, saved)
	must(t, err)
	return parts, match, gone
}

// otherDevice says that a file was on a device with another number.
func otherDevice(t testing.TB, s Saved) Saved {
	t.Helper()
	id, err := parseToken(s.Token)
	must(t, err)
	id.device++
	s.Token = id.token()
	return s
}

func TestRecognize(t *testing.T) {
	for name, c := range map[string]struct {
		// change is what happens to a.jsonl after it was read to its line two.
		change         func(t *testing.T, a string, s *Saved)
		read, followed int
	}{
		"as it was":   {func(*testing.T, string, *Saved) {}, 0, 0},
		"grown":       {func(t *testing.T, a string, _ *Saved) { appendTo(t, a, "four\n") }, 0, 0},
		"renamed":     {func(t *testing.T, a string, _ *Saved) { must(t, os.Rename(a, a+".1")) }, 0, 0},
		"other head":  {func(t *testing.T, a string, _ *Saved) { write(t, a, "eins\nzwei\ndrei\n") }, -1, -1},
		"less":        {func(t *testing.T, a string, _ *Saved) { must(t, os.Truncate(a, 5)) }, -1, -1},
		"empty":       {func(t *testing.T, a string, _ *Saved) { must(t, os.Truncate(a, 0)) }, -1, -1},
		"copied":      {func(t *testing.T, a string, _ *Saved) { copyOver(t, a) }, 0, -1},
		"new device":  {func(t *testing.T, _ string, s *Saved) { *s = otherDevice(t, *s) }, 0, 0},
		"compressed":  {func(t *testing.T, a string, _ *Saved) { must(t, os.Rename(a, a+".gz")) }, -1, -1},
		"no token":    {func(_ *testing.T, _ string, s *Saved) { s.Token = nil }, 0, 0},
		"other token": {func(_ *testing.T, _ string, s *Saved) { s.Token, s.Origin = nil, event.Origin{Path: "b"} }, -1, -1},
	} {
		for follow, want := range map[bool]int{false: c.read, true: c.followed} {
			a := filepath.Join(t.TempDir(), "a.jsonl")
			write(t, a, "one\ntwo\nthree\n")
			saved := savedAt(t, a, 8)
			c.change(t, a, &saved)
			s := &File{Path: a + "*", Follow: follow}
			_, match, gone := recognize(t, s, saved)
			if len(match) != 1 || match[0] != want {
				t.Errorf("%s, follow %v: matches %v, want %d", name, follow, match, want)
			}
			if wantGone := follow && want < 0; wantGone != (len(gone) == 1) {
				t.Errorf("%s, follow %v: gone are %v", name, follow, gone)
			}
		}
	}
}

// copyOver replaces a file by a copy of it.
func copyOver(t testing.TB, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	write(t, path+".copy", string(text))
	must(t, os.Rename(path+".copy", path))
}

// A followed file that is cut below its position, and not below what is known
// of its head, is the same and starts over.
func TestRecognizeCutShort(t *testing.T) {
	a := filepath.Join(t.TempDir(), "a.jsonl")
	head := strings.Repeat("h", headBytes-1) + "\n"
	write(t, a, head+"more\nand more\n")
	saved := savedAt(t, a, headBytes+5)
	must(t, os.Truncate(a, headBytes))
	parts, match, _ := recognize(t, &File{Path: a, Follow: true}, saved)
	if match[0] != 0 {
		t.Fatalf("match %v", match)
	}
	must(t, parts[0].Open(t.Context(), saved.Position))
	var c Chunk
	must(t, parts[0].Read(t.Context(), &c))
	if string(c.Data) != head || c.Offset != 0 || claims(t, &c) != headBytes {
		t.Errorf("reads %d bytes at %d", len(c.Data), c.Offset)
	}
	must(t, parts[0].Close())
}

// Links and copies find each their own place, and two never the same one.
func TestRecognizeLinksAndCopies(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "b.jsonl")
	write(t, a, "one\ntwo\n")
	must(t, os.Link(a, b))
	sa, sb := savedAt(t, a, 8), savedAt(t, b, 4)
	pattern := filepath.Join(dir, "*.jsonl")
	for _, c := range []struct {
		saved []Saved
		want  []int
	}{
		{[]Saved{sa, sb}, []int{0, 1}},
		{[]Saved{sb, sa}, []int{1, 0}},
		{[]Saved{sb}, []int{-1, 0}},
		{[]Saved{sa}, []int{0, -1}},
	} {
		if _, match, _ := recognize(t, &File{Path: pattern}, c.saved...); !reflect.DeepEqual(match, c.want) {
			t.Errorf("links match %v, want %v", match, c.want)
		}
	}
	// b becomes a copy, and a is renamed: by name it would be the file that is
	// b now, but the identity goes before the name.
	copyOver(t, b)
	must(t, os.Rename(a, filepath.Join(dir, "c.jsonl")))
	must(t, os.Rename(b, a))
	if _, match, _ := recognize(t, &File{Path: pattern}, sa); !reflect.DeepEqual(match, []int{-1, 0}) {
		t.Errorf("the copy under the old name and the file under a new one match %v", match)
	}
}

// What is not found at the start is gone, and what Discover brings later says
// nothing of the rest.
func TestRecognizeSaysOnceWhatIsGone(t *testing.T) {
	a := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, a, "one\n")
	saved := savedAt(t, a, 4)
	must(t, os.Remove(a))
	s := &File{Path: a, Follow: true}
	for _, want := range []int{1, 0} {
		if _, _, gone := recognize(t, s, saved); len(gone) != want {
			t.Errorf("gone are %v, want %d", gone, want)
		}
	}
}

// Of two that had one inode, the one counts of which more is known.
func TestRecognizeHeir(t *testing.T) {
	a := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, a, "one\ntwo\n")
	old, heir := savedAt(t, a, 4), savedAt(t, a, 8)
	for _, saved := range [][]Saved{{old, heir}, {heir, old}} {
		_, match, gone := recognize(t, &File{Path: a, Follow: true}, saved...)
		if saved[match[0]].Position != 8 || len(gone) != 1 || gone[0] == match[0] {
			t.Errorf("matches %v, gone %v", match, gone)
		}
	}
}

func TestRecognizeErrors(t *testing.T) {
	a := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, a, "one\n")
	saved := savedAt(t, a, 4)
	s := &File{Path: a}
	parts, err := s.Open(t.Context())
	must(t, err)
	damaged := saved
	damaged.Token = damaged.Token[:5]
	if _, _, err := s.Recognize(t.Context(), parts, []Saved{damaged}); err == nil || !strings.Contains(err.Error(), a) {
		t.Errorf("damaged token: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Recognize(ctx, parts, []Saved{saved}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if match, _, err := s.Recognize(t.Context(), []Partition{&stdinPartition{}}, []Saved{saved}); err != nil || match[0] != -1 {
		t.Errorf("a partition of another source: %v, %v", match, err)
	}
}

// A file that is replaced after it was recognized is not read from the middle.
func TestReplacedAfterItWasRecognized(t *testing.T) {
	for _, follow := range []bool{false, true} {
		a := filepath.Join(t.TempDir(), "a.jsonl")
		write(t, a, "one\ntwo\n")
		saved := savedAt(t, a, 8)
		parts, _, _ := recognize(t, &File{Path: a, Follow: follow}, saved)
		write(t, a, "eins\nzwei\ndrei\n")
		err := parts[0].Open(t.Context(), saved.Position)
		if !follow {
			if !errors.Is(err, errChanged) || !strings.Contains(err.Error(), a) {
				t.Errorf("error %v", err)
			}
			continue
		}
		must(t, err)
		var c Chunk
		must(t, parts[0].Read(t.Context(), &c))
		if c.Offset != 0 || !strings.HasPrefix(string(c.Data), "eins\n") {
			t.Errorf("reads %q at %d", c.Data, c.Offset)
		}
		must(t, parts[0].Close())
	}
}

// A file that was renamed out of the pattern while nobody looked is read to its
// end, as it would have been by a run that was there.
func TestRecognizeFindsMovedFiles(t *testing.T) {
	dir := t.TempDir()
	a := filepath.Join(dir, "a.jsonl")
	write(t, a, "one\ntwo\n")
	saved := savedAt(t, a, 4)
	must(t, os.Rename(a, a+".1"))
	write(t, a, "three\n")
	s := &File{Path: a, Follow: true}
	_, match, gone := recognize(t, s, saved)
	if match[0] != -1 || len(gone) != 0 {
		t.Fatalf("the new file matches %v, gone are %v", match, gone)
	}
	moved, err := s.Discover(t.Context())
	must(t, err)
	if len(moved) != 1 || moved[0].Origin() != saved.Origin {
		t.Fatalf("discovered %d files", len(moved))
	}
	if match, _, err = s.Recognize(t.Context(), moved, []Saved{saved}); err != nil || match[0] != 0 {
		t.Fatalf("the moved file matches %v, %v", match, err)
	}
	must(t, moved[0].Open(t.Context(), saved.Position))
	got, err := readAll(t, moved[0])
	if err != nil || got != "two\n" {
		t.Errorf("reads %q, %v", got, err)
	}
	must(t, moved[0].Close())
}

func TestRecognizeLeavesOtherFilesAlone(t *testing.T) {
	for name, c := range map[string]struct {
		position int64
		to, path string
		quiet    bool
	}{
		"read to its end":    {8, "a.jsonl.1", "a.jsonl", true},
		"another pattern":    {4, "a.jsonl.1", "b.jsonl", true},
		"still in its place": {4, "a.jsonl", "b.jsonl", true},
		"in another folder":  {4, "sub/a.jsonl", "a.jsonl", true},
	} {
		dir := t.TempDir()
		must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
		a := filepath.Join(dir, "a.jsonl")
		write(t, a, "one\ntwo\n")
		saved := savedAt(t, a, c.position)
		to := filepath.Join(dir, c.to)
		must(t, os.Rename(a, to))
		must(t, os.Chtimes(to, time.Time{}, time.Now().Add(-time.Hour)))
		_, _, gone := recognize(t, &File{Path: filepath.Join(dir, c.path), Follow: true}, saved)
		if len(gone) != 1 {
			t.Errorf("%s: gone are %v", name, gone)
		}
	}
	// Its writer may not have noticed yet.
	a := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, a, "one\ntwo\n")
	saved := savedAt(t, a, 8)
	must(t, os.Rename(a, a+".1"))
	s := &File{Path: a, Follow: true, poll: time.Minute}
	_, err := s.Open(t.Context())
	must(t, err)
	if _, gone, err := s.Recognize(t.Context(), nil, []Saved{saved}); err != nil || len(gone) != 0 {
		t.Errorf("just renamed: gone are %v, %v", gone, err)
	}
}
