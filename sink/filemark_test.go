package sink

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/llm-optimizer/processor/internal/fs"
	"github.com/llm-optimizer/processor/internal/fs/fstest"
	"github.com/llm-optimizer/processor/result"
)

var _ Marker = (*File)(nil)

func TestFileToken(t *testing.T) {
	for _, length := range []int64{0, 1, math.MaxInt64} {
		m := fileMark{length: length, sum: 7, summed: true}
		if got, err := parseFileToken(m.token()); err != nil || got != m {
			t.Errorf("%v comes back as %v, %v", m, got, err)
		}
		if got, err := parseFileToken(lengthToken(length)); err != nil || got != (fileMark{length: length}) {
			t.Errorf("the first version of %d comes back as %v, %v", length, got, err)
		}
	}
	if got, err := parseFileToken([]byte{}); err != nil || got != (fileMark{length: -1}) {
		t.Errorf("an empty token records %v, %v", got, err)
	}
	for want, token := range map[string][]byte{
		"format 3":             {3, 0, 0, 0, 0, 0, 0, 0, 0},
		"8 bytes is damaged":   {1, 0, 0, 0, 0, 0, 0, 0},
		"9 bytes is damaged":   {1, 0xff, 0, 0, 0, 0, 0, 0, 0},
		"10 bytes is damaged":  {1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"mark of 1 bytes is d": {1},
		"12 bytes is damaged":  {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"13 bytes is damaged":  {2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if _, err := parseFileToken(token); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%x: error %v does not say %q", token, err, want)
		}
	}
}

// lengthToken is a token of the first version, without a checksum.
func lengthToken(length int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{1}, uint64(length))
}

// fileToken is the token of out.jsonl that holds a text.
func fileToken(text string) []byte {
	tail := text[max(0, len(text)-fileTail):]
	if text == "" {
		tail = "out.jsonl"
	}
	return fileMark{length: int64(len(text)), sum: crc32.Checksum([]byte(tail), castagnoli)}.token()
}

// resumed runs a sink's life with one row over a file that holds something, up
// to its Close, and returns what the file holds then.
func resumed(t *testing.T, s *File, before string, token []byte, redeliver bool) (string, error) {
	t.Helper()
	s.Path = filepath.Join(t.TempDir(), "out.jsonl")
	if before != "" {
		must(t, os.WriteFile(s.Path, []byte(before), 0o600))
	}
	must(t, s.Open(t.Context()))
	epoch, err := s.Resume(t.Context(), Mark{Epoch: 7, Token: token}, 9, redeliver)
	if err == nil {
		if epoch != 7 {
			t.Errorf("Resume returns epoch %d, want that of the mark", epoch)
		}
		if got, err := os.ReadFile(s.Path); err != nil || string(got) != before {
			t.Errorf("before the start the file holds %q, %v, want it untouched", got, err)
		}
		must(t, s.Start(t.Context()))
		must(t, s.Write(t.Context(), &result.Batch{Dead: []result.DeadLetter{{Reason: "r"}}}))
	}
	must(t, s.Close(t.Context()))
	got, rerr := os.ReadFile(s.Path)
	must(t, rerr)
	return strings.ReplaceAll(string(got), deadLine, "+"), err
}

// deadLine is the row that resumed writes.
var deadLine = string((&result.Batch{Dead: []result.DeadLetter{{Reason: "r"}}}).AppendNDJSON(nil, false))

func TestFileResume(t *testing.T) {
	for _, c := range []struct {
		name, before string
		mode         string
		token        []byte
		redeliver    bool
		want         string
		err          string
	}{
		{"new", "", "", nil, false, "+", ""},
		{"new and not empty", "old\n", "", nil, false, "old\n", "on_existing: append"},
		{"new and not empty, even so", "old\n", "", nil, true, "old\n", "on_existing: truncate"},
		{"new, refused", "old\n", Refuse, nil, false, "old\n", "4 bytes"},
		{"new, appended", "old", Append, nil, false, "old\n+", ""},
		{"new, emptied", "old\n", Truncate, nil, false, "+", ""},
		{"as it was", "a\nb\n", "", fileToken("a\nb\n"), false, "a\nb\n+", ""},
		{"more", "a\nb\nc", "", fileToken("a\nb\n"), false, "a\nb\n+", ""},
		{"more, refused when new", "a\nb\nc", Refuse, fileToken("a\nb\n"), false, "a\nb\n+", ""},
		{"more, emptied when new", "a\nb\nc", Truncate, fileToken("a\nb\n"), false, "a\nb\n+", ""},
		{"nothing, as it was", "", "", fileToken(""), false, "+", ""},
		{"all too much", "a\n", "", fileToken(""), false, "+", ""},
		{"all too much by a first mark", "a\n", "", lengthToken(0), false, "+", ""},
		{"less", "a\nb", "", fileToken("a\nb\n"), false, "a\nb", "--redeliver"},
		{"gone", "", "", fileToken("a\nb\n"), false, "", "lost"},
		{"less, taken over", "a\nb", "", fileToken("a\nb\n"), true, "a\nb\n+", ""},
		{"less, taken over, emptied when new", "a\nb", Truncate, fileToken("a\nb\n"), true, "a\nb\n+", ""},
		{"another", "another\n", "", fileToken("a\nb\n"), false, "another\n", "replaced"},
		{"another, taken over", "another\n", "", fileToken("a\nb\n"), true, "another\n+", ""},
		{"another with a line end there", "c\nd\ne\n", "", fileToken("a\nb\n"), false, "c\nd\ne\n", "another sink"},
		{"another of a first mark", "another\n", "", lengthToken(4), false, "another\n", "replaced"},
		{"more than a first mark", "a\nb\nc", "", lengthToken(4), false, "a\nb\n+", ""},
		{"very long", strings.Repeat("row\n", 1000) + "more", "", fileToken(strings.Repeat("row\n", 1000)), false, strings.Repeat("row\n", 1000) + "+", ""},
		{"more, taken over", "a\nb\nc\n", "", fileToken("a\nb\n"), true, "a\nb\n+", ""},
		{"was no file", "a\nb", Refuse, []byte{}, false, "a\nb\n+", ""},
		{"damaged token", "a\n", "", []byte{1}, true, "a\n", "damaged"},
	} {
		got, err := resumed(t, &File{OnExisting: c.mode}, c.before, c.token, c.redeliver)
		if got != c.want {
			t.Errorf("%s: the file holds %q, want %q", c.name, got, c.want)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
}

// Rows behind a mark of an empty file go, as long as it is that file, be it in
// another folder.
func TestFileCutToNothing(t *testing.T) {
	s := &File{Path: filepath.Join(t.TempDir(), "out.jsonl")}
	must(t, s.Open(t.Context()))
	token, err := s.Commit(t.Context(), Mark{})
	must(t, err)
	must(t, s.Close(t.Context()))
	for name, want := range map[string]string{"out.jsonl": "", "other.jsonl": "old\n"} {
		s := &File{Path: filepath.Join(t.TempDir(), name)}
		must(t, os.WriteFile(s.Path, []byte("old\n"), 0o600))
		must(t, s.Open(t.Context()))
		_, err := s.Resume(t.Context(), Mark{Token: token}, 0, false)
		if (err == nil) != (want == "") {
			t.Errorf("%s: error %v", name, err)
		} else if err == nil {
			must(t, s.Start(t.Context()))
		}
		must(t, s.Close(t.Context()))
		if got, err := os.ReadFile(s.Path); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", name, got, err, want)
		}
	}
}

// What is no file of the sink's own takes any mark and gives an empty one.
func TestFileThatCannotBeMarked(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{pipe, "/dev/null", "/dev/stdout"} {
		s := &File{Path: path}
		must(t, s.Open(t.Context()))
		for _, token := range [][]byte{nil, {}, fileToken(strings.Repeat("row\n", 250))} {
			if epoch, err := s.Resume(t.Context(), Mark{Epoch: 3, Token: token}, 4, false); err != nil || epoch != 3 {
				t.Errorf("%s: resumes at %d, %v", path, epoch, err)
			}
		}
		if token, err := s.Commit(t.Context(), Mark{}); err != nil || token == nil || len(token) > 0 {
			t.Errorf("%s: token %v, %v", path, token, err)
		}
		must(t, s.Close(t.Context()))
	}
}

func TestIsStandard(t *testing.T) {
	for path, want := range map[string]bool{
		"/dev/stdout": true, "/dev/./stderr": true, "/dev/fd/3": true, "/proc/self/fd/1": true,
		"/dev/shm/out.jsonl": false, "out/dev/stdout": false, "process.jsonl": false,
	} {
		if got := isStandard(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// A file that is cut between Resume and Start is not filled up with zeros.
func TestFileCutBeforeTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	for _, left := range []int64{0, 2} {
		must(t, os.WriteFile(path, []byte("a\nb\n"), 0o600))
		s := &File{Path: path}
		must(t, s.Open(t.Context()))
		_, err := s.Resume(t.Context(), Mark{Token: fileToken("a\nb\n")}, 0, false)
		must(t, err)
		must(t, os.Truncate(path, left))
		if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v", err)
		}
		must(t, s.Close(t.Context()))
	}
}

// A write, sync or truncation that failed is never made good by a later one.
func TestFileFailuresAreFinal(t *testing.T) {
	for name, c := range map[string]struct {
		fault fstest.Fault
		token []byte
	}{
		"write":        {fstest.Fault{Class: fstest.Write, Call: 1, Err: syscall.EIO}, nil},
		"full disk":    {fstest.Fault{Class: fstest.Write, Call: 1, Err: syscall.ENOSPC, Short: true}, nil},
		"sync":         {fstest.Fault{Class: fstest.Sync, Call: 1, Err: syscall.EIO}, nil},
		"sync folder":  {fstest.Fault{Class: fstest.SyncDir, Call: 1, Err: syscall.EIO}, nil},
		"truncate":     {fstest.Fault{Class: fstest.Truncate, Call: 1, Err: syscall.EIO}, lengthToken(0)},
		"stat at mark": {fstest.Fault{Class: fstest.Stat, Call: 2, Err: syscall.EIO}, nil},
	} {
		f := fstest.New()
		s := &File{Path: "out.jsonl", OnExisting: Append}
		s.SetFS(f)
		old, err := f.OpenAppend(s.Path)
		must(t, err)
		_, err = old.Write([]byte("old\n"))
		must(t, err)
		must(t, s.Open(t.Context()))
		_, err = s.Resume(t.Context(), Mark{Token: c.token}, 0, false)
		must(t, err)
		f.Inject(c.fault)
		b := &result.Batch{Results: []result.Result{row(0, "m", 1)}}
		err = s.Write(t.Context(), b)
		if err == nil {
			_, err = s.Commit(t.Context(), Mark{})
		}
		if !errors.Is(err, c.fault.Err) || !strings.Contains(err.Error(), s.Path) && name != "stat at mark" {
			t.Errorf("%s: error %v", name, err)
		}
		before := f.Calls(fstest.Any)
		werr := s.Write(t.Context(), b)
		_, cerr := s.Commit(t.Context(), Mark{})
		_, rerr := s.Resume(t.Context(), Mark{}, 0, false)
		if werr != err || cerr != err || rerr != err || s.Start(t.Context()) != err {
			t.Errorf("%s: later errors are %v, %v and %v, want the first one", name, werr, cerr, rerr)
		}
		if n := f.Calls(fstest.Any); n != before {
			t.Errorf("%s: %d calls after the failure", name, n-before)
		}
		must(t, s.Close(t.Context()))
		if n := f.Calls(fstest.Sync); c.fault.Class != fstest.Sync && n > 1 {
			t.Errorf("%s: Close synced", name)
		}
	}
}

// shortFS writes less than it is given and says nothing.
type shortFS struct{ fs.FS }

func (f shortFS) OpenAppend(name string) (fs.File, error) {
	file, err := f.FS.OpenAppend(name)
	return shortFile{file}, err
}

type shortFile struct{ fs.File }

func (f shortFile) Write(p []byte) (int, error) { return f.File.Write(p[:len(p)-1]) }

func TestFileShortWrite(t *testing.T) {
	s := &File{Path: "out.jsonl"}
	s.SetFS(shortFS{fstest.New()})
	must(t, s.Open(t.Context()))
	if err := s.Write(t.Context(), &result.Batch{Results: []result.Result{row(0, "m", 1)}}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v", err)
	}
}

func TestFileMarksNeedAnOpenFile(t *testing.T) {
	s := &File{Path: "x"}
	_, rerr := s.Resume(context.Background(), Mark{}, 0, false)
	_, cerr := s.Commit(context.Background(), Mark{})
	if !errors.Is(rerr, os.ErrClosed) || !errors.Is(cerr, os.ErrClosed) {
		t.Errorf("errors %v and %v", rerr, cerr)
	}
}

// The folder is synced once, and the file at each mark.
func TestFileSyncs(t *testing.T) {
	f := fstest.New()
	s := &File{Path: "out/results.jsonl"}
	s.SetFS(f)
	must(t, s.Open(t.Context()))
	f.Inject(fstest.Fault{})
	for range 3 {
		must(t, s.Write(t.Context(), &result.Batch{Results: []result.Result{row(0, "m", 1)}}))
		_, err := s.Commit(t.Context(), Mark{})
		must(t, err)
	}
	if dirs, files := f.Calls(fstest.SyncDir), f.Calls(fstest.Sync); dirs != 1 || files != 3 {
		t.Errorf("the folder was synced %d times and the file %d times", dirs, files)
	}
}
