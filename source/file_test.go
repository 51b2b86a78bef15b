package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// openOne opens a source of one file and its partition.
func openOne(t testing.TB, s *File) Partition {
	t.Helper()
	parts, err := s.Open(t.Context())
	must(t, err)
	if len(parts) != 1 {
		t.Fatalf("%d partitions, want 1", len(parts))
	}
	must(t, parts[0].Open(t.Context(), 0))
	t.Cleanup(func() {
		must(t, parts[0].Close())
		must(t, s.Close())
	})
	return parts[0]
}

func TestFileOpenErrors(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.MkdirAll(at("folder/sub.d"), 0o700))
	write(t, at("folder/a.d.jsonl"), "a\n")
	must(t, syscall.Mkfifo(at("pipe"), 0o600))
	must(t, os.Symlink(at("nowhere"), at("dangling")))
	for path, want := range map[string][]string{
		"":                {"no path", "data/*.jsonl"},
		at("none.jsonl"):  {"none.jsonl", "no such file", "follow"},
		at("none*.jsonl"): {"no file matches", "none*.jsonl", "follow"},
		at("a[.jsonl"):    {"a[.jsonl", "]"},
		at("folder"):      {"folder is a directory", "*.jsonl"},
		at("folder/*"):    {"sub.d is a directory"},
		at("pipe"):        {"pipe is not a regular file", "standard input"},
		at("dangling"):    {"dangling", "no such file"},
	} {
		_, err := (&File{Path: path}).Open(t.Context())
		if err == nil {
			t.Errorf("%q: opened", path)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: error %q does not say %q", path, err, w)
			}
		}
	}
}

func TestFileWithoutPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	path := filepath.Join(t.TempDir(), "a.jsonl")
	must(t, os.WriteFile(path, nil, 0))
	_, err := (&File{Path: path}).Open(t.Context())
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "right to read") {
		t.Errorf("error %v", err)
	}
}

func TestFileNamedLikeAPattern(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a[1].jsonl")
	write(t, path, "x\n")
	p := openOne(t, &File{Path: path})
	if got := p.Origin().Path; got != path {
		t.Errorf("partition is %s, want %s", got, path)
	}
}

func TestFileTraits(t *testing.T) {
	for _, c := range []struct {
		s    *File
		want Traits
	}{
		{&File{}, Traits{Kind: "file", MaxOpen: 64}},
		{&File{MaxOpen: 3}, Traits{Kind: "file", MaxOpen: 3}},
		{&File{MaxOpen: 3, Follow: true}, Traits{Kind: "file", Live: true}},
	} {
		if got := c.s.Traits(); got != c.want {
			t.Errorf("traits are %+v, want %+v", got, c.want)
		}
	}
}

func TestFileOpenHonoursContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, "x\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&File{Path: path}).Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A line far beyond the limit is handed over by its beginning alone, in
// bounded memory, and the lines after it keep their positions.
func TestOversizeLine(t *testing.T) {
	const limit = 1000
	huge := strings.Repeat("h", 5<<20)
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"in the middle":       {"a\n" + huge + "\nb\nc\n", []string{"a", huge, "b", "c"}},
		"at the end":          {"a\n" + huge + "\n", []string{"a", huge}},
		"without an end":      {"a\n" + huge, []string{"a", huge}},
		"two":                 {huge + "\n" + huge + "\nb\n", []string{huge, huge, "b"}},
		"followed by a block": {huge + "\n" + strings.Repeat("b\n", 300_000), append([]string{huge}, strings.Split(strings.TrimSuffix(strings.Repeat("b\n", 300_000), "\n"), "\n")...)},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.jsonl")
			write(t, path, c.text)
			p := openOne(t, &File{Path: path, MaxRecordBytes: limit})
			var chunk Chunk
			i, at := 0, int64(0)
			for {
				err := p.Read(t.Context(), &chunk)
				if errors.Is(err, io.EOF) {
					break
				}
				must(t, err)
				if cap(chunk.Data) > 4*blockBytes {
					t.Fatalf("a chunk has %d bytes of memory", cap(chunk.Data))
				}
				if chunk.Offset != at {
					t.Fatalf("chunk is at %d, want %d", chunk.Offset, at)
				}
				for line := range bytes.Lines(chunk.Data) {
					got, want := string(bytes.TrimSuffix(line, []byte("\n"))), c.want[i]
					if got != want && (len(got) <= limit || !strings.HasPrefix(want, got)) {
						t.Fatalf("record %d has %d bytes and is not the beginning of one with %d", i, len(got), len(want))
					}
					if at != int64(strings.Index(c.text[at:], want[:1]))+at {
						t.Fatalf("record %d is said to be at %d", i, at)
					}
					at += int64(len(want)) + 1
					i++
				}
				at = chunk.Next
			}
			if i != len(c.want) || at != int64(len(c.text)) {
				t.Errorf("%d records up to %d, want %d up to %d", i, at, len(c.want), len(c.text))
			}
		})
	}
}

// A long line within the limit is handed over whole.
func TestLongLine(t *testing.T) {
	long := strings.Repeat("l", 900<<10)
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, "a\n"+long+"\nb\n")
	p := openOne(t, &File{Path: path})
	var c Chunk
	var got []byte
	for p.Read(t.Context(), &c) == nil {
		got = append(got, c.Data...)
	}
	if string(got) != "a\n"+long+"\nb\n" {
		t.Errorf("%d bytes come back", len(got))
	}
}

func TestDamagedCompression(t *testing.T) {
	text := []byte(strings.Repeat("some record\n", 100_000))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write(text)
	must(t, err)
	must(t, w.Close())
	enc, err := zstd.NewWriter(nil)
	must(t, err)
	defer enc.Close()
	zst := enc.EncodeAll(text, nil)
	flipped := bytes.Clone(zst)
	flipped[len(flipped)-2] ^= 0xff // the checksum at its end
	for name, data := range map[string][]byte{
		"truncated.gz":  z.Bytes()[:z.Len()/2],
		"header.gz":     z.Bytes()[:5],
		"plain.gz":      text,
		"garbage.gz":    append(bytes.Clone(z.Bytes()), "garbage"...),
		"truncated.zst": zst[:len(zst)/2],
		"flipped.zst":   flipped,
		"plain.zst":     text,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			must(t, os.WriteFile(path, data, 0o600))
			parts, err := (&File{Path: path}).Open(t.Context())
			must(t, err)
			err = parts[0].Open(t.Context(), 0)
			var c Chunk
			for err == nil {
				err = parts[0].Read(t.Context(), &c)
			}
			must(t, parts[0].Close())
			if errors.Is(err, io.EOF) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("error %v does not name the damaged file", err)
			}
			if peekErr := parts[0].(Peeker).Peek(t.Context(), &c); name == "plain.gz" && peekErr == nil {
				t.Error("a damaged file was peeked at")
			}
		})
	}
}

func TestPositionBeyondTheEnd(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.jsonl"), "a\nb\n")
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write([]byte("a\nb\n"))
	must(t, err)
	must(t, w.Close())
	write(t, filepath.Join(dir, "b.jsonl.gz"), z.String())
	parts, err := (&File{Path: filepath.Join(dir, "*")}).Open(t.Context())
	must(t, err)
	for _, p := range parts {
		err := p.Open(t.Context(), 5)
		if !errors.Is(err, errShort) || !strings.Contains(err.Error(), p.Origin().Path) || !strings.Contains(err.Error(), "after 4 bytes") {
			t.Errorf("open %s at 5: %v", p.Origin().Path, err)
		}
		must(t, p.Close())
	}
}

func TestFileGoneBeforeItsTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, "a\n")
	parts, err := (&File{Path: path}).Open(t.Context())
	must(t, err)
	must(t, os.Remove(path))
	if err := parts[0].Open(t.Context(), 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
	if err := parts[0].(Peeker).Peek(t.Context(), new(Chunk)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("peek: %v", err)
	}
}

func TestPeekDoesNotReadAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, strings.Repeat("some record\n", 100_000))
	parts, err := (&File{Path: path}).Open(t.Context())
	must(t, err)
	var c Chunk
	must(t, parts[0].(Peeker).Peek(t.Context(), &c))
	if n := len(c.Data); n == 0 || n > peekBytes || c.Data[n-1] != '\n' {
		t.Errorf("peeked at %d bytes", n)
	}
}

// Reading must not allocate once the chunk's memory is there.
func TestReadDoesNotAllocate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, strings.Repeat(strings.Repeat("r", 419)+"\n", 50_000))
	p := openOne(t, &File{Path: path})
	var c Chunk
	must(t, p.Read(t.Context(), &c))
	if n := testing.AllocsPerRun(50, func() { must(t, p.Read(t.Context(), &c)) }); n > 0 {
		t.Errorf("%v allocations a chunk", n)
	}
}

func BenchmarkFileRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "a.jsonl")
	text := strings.Repeat(strings.Repeat("r", 419)+"\n", 200_000)
	write(b, path, text)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var c Chunk
	for b.Loop() {
		p := newFilePartition(&File{Path: path}, path, nil)
		must(b, p.Open(b.Context(), 0))
		for p.Read(b.Context(), &c) == nil {
		}
		must(b, p.Close())
	}
}

func BenchmarkStdin(b *testing.B) {
	text := []byte(strings.Repeat(strings.Repeat("r", 419)+"\n", 200_000))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var c Chunk
	for b.Loop() {
		parts, err := (&Stdin{In: bytes.NewReader(text)}).Open(b.Context())
		must(b, err)
		must(b, parts[0].Open(b.Context(), 0))
		for parts[0].Read(b.Context(), &c) == nil {
		}
		must(b, parts[0].Close())
	}
}
