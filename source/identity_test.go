package source

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTokenRoundTrip(t *testing.T) {
	for _, id := range []identity{
		{},
		{device: 1, inode: 2, n: 3, hash: 4, path: "a"},
		{device: ^uint64(0), inode: ^uint64(0), n: headBytes, hash: ^uint64(0), path: "data/\x00\xff/ü.jsonl"},
	} {
		got, err := parseToken(id.token())
		if err != nil || got != id {
			t.Errorf("%+v comes back as %+v, %v", id, got, err)
		}
	}
}

func TestTokenErrors(t *testing.T) {
	whole := (&identity{path: "a"}).token()
	newer := bytes.Clone(whole)
	newer[0] = 9
	long := (&identity{n: headBytes + 1}).token()
	for name, c := range map[string]struct {
		token []byte
		want  string
	}{
		"empty": {[]byte{}, "damaged"},
		"short": {whole[:tokenFixed-1], "damaged"},
		"head":  {long, "damaged"},
		"newer": {newer, "format 9"},
	} {
		if _, err := parseToken(c.token); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not say %q", name, err, c.want)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add((&identity{device: 1, inode: 2, n: 3, hash: 4, path: "a.jsonl"}).token())
	f.Add([]byte{tokenVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := parseToken(b)
		if err == nil && !bytes.Equal(id.token(), b) {
			t.Errorf("%x is read and written as %x", b, id.token())
		}
	})
}

// claims returns how much of the file's head the chunk's token has, -1 without
// one.
func claims(t *testing.T, c *Chunk) int {
	t.Helper()
	if c.Token == nil {
		return -1
	}
	id, err := parseToken(c.Token)
	must(t, err)
	return id.n
}

// A token never claims more than was read up to the end of its chunk, also
// where more of the file has been seen.
func TestTokensClaimWhatWasRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, "one\ntwo\nbeg")
	p := openOne(t, &File{Path: path, Follow: true, poll: time.Millisecond})
	p.(*filePartition).lines.block = 5
	var c Chunk
	read := func(want string, claimed int) {
		t.Helper()
		must(t, p.Read(t.Context(), &c))
		if got := claims(t, &c); string(c.Data) != want || got != claimed {
			t.Errorf("read %q claiming %d bytes, want %q claiming %d", c.Data, got, want, claimed)
		}
	}
	read("one\n", 4)
	read("two\n", 8)
	appendTo(t, path, "un\n"+strings.Repeat("x", 2000)+"\n")
	read("begun\n", 14)
	read(strings.Repeat("x", 2000)+"\n", headBytes)
	appendTo(t, path, "more\n")
	read("more\n", -1)
	// Cut short and written anew, it has another identity.
	must(t, os.Truncate(path, 0))
	appendTo(t, path, "again\n")
	read("again\n", 6)
}

// A file that is written anew before its end was met for the first time is told
// by what was read of it.
func TestFollowWrittenAnewAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, "one\n")
	p := openOne(t, &File{Path: path, Follow: true, poll: time.Millisecond})
	var c Chunk
	must(t, p.Read(t.Context(), &c))
	write(t, path, "another, longer\n")
	must(t, p.Read(t.Context(), &c))
	if string(c.Data) != "another, longer\n" || c.Offset != 0 || claims(t, &c) != len(c.Data) {
		t.Errorf("read %q at %d", c.Data, c.Offset)
	}
}

// Following must not allocate for tokens once the head is complete.
func TestTokensDoNotAllocate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, strings.Repeat(strings.Repeat("r", 99)+"\n", 10_000))
	p := openOne(t, &File{Path: path, Follow: true, poll: time.Millisecond})
	p.(*filePartition).lines.block = 2000
	var c Chunk
	must(t, p.Read(t.Context(), &c))
	if claims(t, &c) != headBytes {
		t.Errorf("the first token claims %d bytes", claims(t, &c))
	}
	if n := testing.AllocsPerRun(100, func() { must(t, p.Read(t.Context(), &c)) }); n > 0 {
		t.Errorf("%v allocations a chunk", n)
	}
}
