package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// readAll returns what an opened partition gives up to its end.
func readAll(t testing.TB, p Partition) (string, error) {
	t.Helper()
	var c Chunk
	var got strings.Builder
	for {
		err := p.Read(t.Context(), &c)
		if errors.Is(err, io.EOF) {
			return got.String(), nil
		}
		if err != nil {
			return got.String(), err
		}
		got.Write(c.Data)
	}
}

// Compressed files go on at any end of a chunk, within a member and between
// members.
func TestCompressedGoesOnAtEveryChunk(t *testing.T) {
	var gz, zst bytes.Buffer
	var text strings.Builder
	for member := range 4 {
		var part strings.Builder
		for line := range 40 * member { // the first member is empty
			fmt.Fprintf(&part, "%d-%d-%s\n", member, line, strings.Repeat("x", line*13%90))
		}
		text.WriteString(part.String())
		z := gzip.NewWriter(&gz)
		_, err := z.Write([]byte(part.String()))
		must(t, err)
		must(t, z.Close())
		e, err := zstd.NewWriter(nil)
		must(t, err)
		zst.Write(e.EncodeAll([]byte(part.String()), nil))
		must(t, e.Close())
	}
	for name, packed := range map[string][]byte{"a.jsonl.gz": gz.Bytes(), "a.jsonl.zst": zst.Bytes()} {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, string(packed))
		for chunks, more := 0, true; more; chunks++ {
			j := &journal{}
			r := j.run(t, &File{Path: path}, 100)
			for range chunks {
				more = r.read()
			}
			j.save(nil, 1)
			r.stop()
			r = j.run(t, &File{Path: path}, 100)
			if chunks > 0 && r.open[0].entry != j.entries[0] {
				t.Fatalf("%s: the file is not recognized", name)
			}
			for r.read() {
			}
			j.save(nil, 1)
			r.stop()
			if got := strings.Join(j.lines(), "\n") + "\n"; got != text.String() {
				t.Fatalf("%s: after %d chunks it goes on to %d bytes, want %d", name, chunks, len(got), text.Len())
			}
			if !more && chunks < 20 {
				t.Fatalf("%s has only %d chunks", name, chunks)
			}
		}
	}
}

// A last line without its end is handed over, and what is appended later is a
// record of its own. A line end alone is a blank record, which does not count.
func TestLineCompletedBetweenRuns(t *testing.T) {
	for appended, want := range map[string]string{
		"ed\nmore\n": "one\nbegun|ed\nmore\n",
		"\nmore\n":   "one\nbegun|\nmore\n",
		"":           "one\nbegun|",
	} {
		path := filepath.Join(t.TempDir(), "a.jsonl")
		write(t, path, "one\nbegun")
		parts, err := (&File{Path: path}).Open(t.Context())
		must(t, err)
		must(t, parts[0].Open(t.Context(), 0))
		first, err := readAll(t, parts[0])
		must(t, err)
		must(t, parts[0].Close())
		saved := savedAt(t, path, 9)
		appendTo(t, path, appended)
		parts, match, _ := recognize(t, &File{Path: path}, saved)
		if match[0] != 0 {
			t.Fatalf("%q: the file that has grown is not recognized", appended)
		}
		must(t, parts[0].Open(t.Context(), saved.Position))
		rest, err := readAll(t, parts[0])
		must(t, err)
		must(t, parts[0].Close())
		if got := first + "|" + rest; got != want {
			t.Errorf("%q: read %q, want %q", appended, got, want)
		}
	}
}

// The line begun of a followed file belongs to the run that sees its end.
func TestFollowedLineBegunBetweenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.jsonl")
		write(t, path, "one\nbeg")
		j := &journal{}
		for _, end := range []string{"", "un", "!\n", "two\n"} {
			appendTo(t, path, end)
			r := j.run(t, &File{Path: path, Follow: true}, 16)
			for r.read() {
			}
			j.save(nil, 1)
			r.stop()
		}
		if got := strings.Join(j.lines(), ","); got != "one,begun!,two" {
			t.Errorf("read %s", got)
		}
	})
}

// journal is what a durable state knows of a source: how far each partition was
// read, and the lines before that.
type journal struct{ entries []*entry }

type entry struct {
	Saved
	lines []string
	// read are the chunks after Position, which are lost when the run ends.
	read []handed
	gone bool
}

type handed struct {
	lines []string
	next  int64
	token []byte
}

// save makes what was read durable, each chunk with a probability, in order.
func (j *journal) save(rng *rand.Rand, probability float64) {
	for _, e := range j.entries {
		for len(e.read) > 0 && (probability >= 1 || rng.Float64() < probability) {
			h := e.read[0]
			e.read = e.read[1:]
			e.lines, e.Position = append(e.lines, h.lines...), h.next
			if h.token != nil {
				e.Token = h.token
			}
		}
	}
}

func (j *journal) lines() []string {
	var all []string
	for _, e := range j.entries {
		all = append(all, e.lines...)
	}
	return all
}

// run is one life of the program.
type run struct {
	t    *testing.T
	j    *journal
	src  *File
	open []*reading
	// left are the entries that no partition goes on with.
	left  []*entry
	block int
}

type reading struct {
	p     Partition
	entry *entry
}

// run opens the source and its partitions as the engine does.
func (j *journal) run(t *testing.T, src *File, block int) *run {
	t.Helper()
	r := &run{t: t, j: j, src: src, block: block}
	for _, e := range j.entries {
		if e.read = nil; !e.gone && e.Position > 0 {
			r.left = append(r.left, e)
		}
	}
	parts, err := src.Open(t.Context())
	must(t, err)
	r.take(parts)
	return r
}

func (r *run) take(parts []Partition) {
	r.t.Helper()
	saved := make([]Saved, len(r.left))
	for i, e := range r.left {
		saved[i] = e.Saved
	}
	match, gone, err := r.src.Recognize(r.t.Context(), parts, saved)
	must(r.t, err)
	for _, i := range gone {
		r.left[i].gone = true
	}
	matched := map[*entry]bool{}
	for i, p := range parts {
		e := &entry{Saved: Saved{Origin: p.Origin()}}
		if match[i] >= 0 {
			e = r.left[match[i]]
			e.Origin = p.Origin()
			if matched[e] {
				r.t.Fatal("two partitions go on with one place")
			}
			matched[e] = true
		} else {
			r.j.entries = append(r.j.entries, e)
		}
		p.(*filePartition).lines.block = r.block
		must(r.t, p.Open(r.t.Context(), e.Position))
		r.open = append(r.open, &reading{p, e})
	}
	r.left = slices.DeleteFunc(r.left, func(e *entry) bool { return e.gone || matched[e] })
}

// read looks for new files and reads a chunk of each; it reports whether there
// was anything.
func (r *run) read() bool {
	r.t.Helper()
	some := false
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*pollEvery/2)
	defer cancel()
	switch parts, err := r.src.Discover(ctx); {
	case err == nil:
		r.take(parts)
		some = true
	case !errors.Is(err, io.EOF) && !errors.Is(err, context.DeadlineExceeded):
		r.t.Fatal(err)
	}
	for _, o := range slices.Clone(r.open) {
		some = r.readOne(o) || some
	}
	return some
}

func (r *run) readOne(o *reading) bool {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*gracePolls*pollEvery)
	defer cancel()
	c := new(Chunk)
	switch err := o.p.Read(ctx, c); {
	case err == nil:
		text := strings.TrimSuffix(string(c.Data), "\n")
		o.entry.read = append(o.entry.read, handed{strings.Split(text, "\n"), c.Next, c.Token})
		return true
	case errors.Is(err, io.EOF):
		must(r.t, o.p.Close())
		r.open = slices.DeleteFunc(r.open, func(other *reading) bool { return other == o })
	case !errors.Is(err, context.DeadlineExceeded):
		r.t.Fatal(err)
	}
	return false
}

// stop ends the run as a crash does: what was not saved is lost.
func (r *run) stop() {
	r.t.Helper()
	for _, o := range r.open {
		must(r.t, o.p.Close())
	}
	must(r.t, r.src.Close())
	for _, e := range r.j.entries {
		e.read = nil
	}
}

// logger writes and rotates a log while runs come and go.
type logger struct {
	t       *testing.T
	rng     *rand.Rand
	dir     string
	j       *journal
	run     *run
	pattern string

	written []string
	begun   bool
	files   int
	// inPattern says that renamed files are still found.
	inPattern bool
}

func (l *logger) path() string { return filepath.Join(l.dir, "a.jsonl") }

// append writes some lines, and may leave the last one without its end.
func (l *logger) append() {
	l.end()
	for range l.rng.IntN(4) {
		line := fmt.Sprintf("%d-%s", len(l.written), strings.Repeat("x", l.rng.IntN(700)))
		l.written = append(l.written, line)
		appendTo(l.t, l.path(), line+"\n")
	}
	if l.rng.IntN(3) == 0 {
		line := fmt.Sprintf("%d-begun", len(l.written))
		l.written = append(l.written, line)
		appendTo(l.t, l.path(), line)
		l.begun = true
	}
}

func (l *logger) end() {
	if l.begun {
		appendTo(l.t, l.path(), "\n")
		l.begun = false
	}
}

// saved reports whether the state knows all that was written, without which
// lines may go with a file that is removed or cut.
func (l *logger) saved() bool { return len(l.j.lines()) == len(l.written) }

// known reports whether the state knows the present file, without which it
// cannot be found under a name that the pattern does not match.
func (l *logger) known() bool {
	info, err := os.Stat(l.path())
	must(l.t, err)
	head, err := headOf(l.path(), info)
	must(l.t, err)
	return slices.ContainsFunc(l.j.entries, func(e *entry) bool {
		if e.gone || e.Token == nil {
			return false
		}
		id, err := parseToken(e.Token)
		must(l.t, err)
		now := identify(info, "", nil)
		return sameFile(&id, &now) && id.begins(head)
	})
}

func (l *logger) rename() {
	if l.end(); !l.inPattern && !l.known() {
		return
	}
	l.files++
	must(l.t, os.Rename(l.path(), fmt.Sprintf("%s.%d", l.path(), l.files)))
	write(l.t, l.path(), "")
}

func (l *logger) copyTruncate() {
	if l.end(); l.saved() {
		must(l.t, os.Truncate(l.path(), 0))
	}
}

func (l *logger) remove() {
	if l.end(); l.saved() {
		must(l.t, os.Remove(l.path()))
		write(l.t, l.path(), "") // likely with the same inode
	}
}

func (l *logger) startOrStop() {
	if l.run != nil {
		l.run.stop()
		l.run = nil
		return
	}
	l.run = l.j.run(l.t, &File{Path: l.pattern, Follow: true}, 1+l.rng.IntN(2000))
}

func (l *logger) read() {
	if l.run != nil {
		for range l.rng.IntN(4) {
			l.run.read()
		}
		l.j.save(l.rng, l.rng.Float64()*1.5)
	}
}

// Runs that stop anywhere and logs that rotate at any time, also while no run
// is there to see it: every line is read, and none twice.
func TestFollowGoesOnAcrossRotation(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			l := &logger{t: t, rng: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), j: &journal{}, inPattern: seed%2 == 0}
			if l.pattern = l.path(); l.inPattern {
				l.pattern += "*"
			}
			write(t, l.path(), "")
			steps := []func(){
				l.append, l.append, l.append, l.read, l.read, l.read, l.startOrStop, l.rename, l.copyTruncate, l.remove,
			}
			for range 60 {
				steps[l.rng.IntN(len(steps))]()
			}
			l.end()
			if l.run == nil {
				l.startOrStop()
			}
			for l.run.read() {
			}
			l.j.save(nil, 1)
			l.run.stop()
			compareLines(t, seed, l.j.lines(), l.written)
		})
		if t.Failed() {
			return
		}
	}
}

// compareLines compares lines in any order.
func compareLines(t *testing.T, seed uint64, got, want []string) {
	t.Helper()
	count := map[string]int{}
	for _, line := range want {
		count[line]++
	}
	for _, line := range got {
		count[line]--
	}
	for line, n := range count {
		if n != 0 {
			t.Errorf("seed %d: line %.12q is missing %d times", seed, line, n)
		}
	}
}

// Bounded files: between runs they grow, are renamed, copied, restored and
// replaced by others of the same name.
func TestFilesGoOnBetweenRuns(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 2))
		dir := t.TempDir()
		pattern := filepath.Join(dir, "*.jsonl*")
		var written []string
		text := func() string {
			var b strings.Builder
			for range 1 + rng.IntN(6) {
				line := fmt.Sprintf("%d-%s", len(written), strings.Repeat("x", rng.IntN(700)))
				written = append(written, line)
				b.WriteString(line + "\n")
			}
			return b.String()
		}
		files := 0
		create := func() {
			files++
			path := filepath.Join(dir, fmt.Sprintf("f%d.jsonl", files))
			if rng.IntN(2) == 0 {
				write(t, path, text())
				return
			}
			var z bytes.Buffer
			for range 1 + rng.IntN(3) {
				w := gzip.NewWriter(&z)
				_, err := w.Write([]byte(text()))
				must(t, err)
				must(t, w.Close())
			}
			write(t, path+".gz", z.String())
		}
		create()
		// A file is renamed or copied once: until more of it is read, neither
		// its name nor its inode need be known then.
		moved := map[string]bool{}
		j := &journal{}
		for range 1 + rng.IntN(5) {
			r := j.run(t, &File{Path: pattern}, 1+rng.IntN(2000))
			for range rng.IntN(5) {
				r.read()
			}
			j.save(rng, rng.Float64()*1.5)
			r.stop()
			paths, err := filepath.Glob(pattern)
			must(t, err)
			path := paths[rng.IntN(len(paths))]
			switch rng.IntN(5) {
			case 0:
				create()
			case 1:
				if !moved[path] {
					copyOver(t, path)
					moved[path] = true
				}
			case 2: // under another name, and another file under its name
				if moved[path] {
					continue
				}
				files++
				to := filepath.Join(dir, fmt.Sprintf("f%d.jsonl%s", files, packing(path)))
				must(t, os.Rename(path, to))
				moved[to] = true
				if !isPacked(path) {
					write(t, path, text())
				}
			case 3:
				if !isPacked(path) {
					appendTo(t, path, text())
				}
			}
		}
		r := j.run(t, &File{Path: pattern}, 1000)
		for r.read() {
		}
		j.save(nil, 1)
		r.stop()
		if compareLines(t, seed, j.lines(), written); t.Failed() {
			return
		}
	}
}

// A run that is not there for long finds what a rotation left, also when that
// is not the first one.
func TestFollowGoesOnWhereRotationLeftIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.jsonl")
		write(t, path, "one\ntwo\n")
		j := &journal{}
		r := j.run(t, &File{Path: path, Follow: true}, 4)
		r.read()
		j.save(nil, 1)
		r.stop()
		must(t, os.Rename(path, path+".1"))
		write(t, path, "three\n")
		r = j.run(t, &File{Path: path, Follow: true}, 4) // stops before it has read anything
		r.stop()
		must(t, os.Rename(path+".1", path+".2"))
		time.Sleep(time.Hour)
		r = j.run(t, &File{Path: path, Follow: true}, 4)
		for r.read() {
		}
		j.save(nil, 1)
		r.stop()
		compareLines(t, 0, j.lines(), []string{"one", "two", "three"})
	})
}
