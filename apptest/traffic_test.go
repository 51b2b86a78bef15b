package apptest

import (
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The bounds of the disorder in traffic, in milliseconds of event time: most
// events are at most boundMillis old, the stragglers at least leastLate more.
const (
	stepMillis  = 10
	boundMillis = 300
	leastLate   = 1_000
	mostLate    = 30_000
)

// traffic makes the same lines for the same seed: events in disorder, some of
// them seconds behind, some of no use to a query that sums, and some that are
// no events at all.
type traffic struct {
	rng *rand.Rand
	// part stands in every event: the name of its partition.
	part string
	// now is the newest event time so far, seq the number of the next line.
	now, seq int64
	// bulk is how many blanks go between two lines. They cost no work, and make
	// the work of one read small, so that there are many epochs.
	bulk int
	// since is how many lines the file at hand has: stragglers do not come
	// before the watermark of their own file makes them late.
	since int
}

func newTraffic(seed uint64, part string, bulk int) *traffic {
	return &traffic{rng: rand.New(rand.NewPCG(seed, uint64(len(part)))), part: part, bulk: bulk}
}

func (g *traffic) appendLine(dst []byte) []byte {
	g.now += stepMillis
	t, key := g.now-g.rng.Int64N(boundMillis), g.key()
	g.since++
	switch x := g.rng.Float64(); {
	case x < 0.003:
		dst = fmt.Appendf(dst, `{"ts":%d,"seq":%d, cut short`, t, g.seq)
	case x < 0.006:
		dst = fmt.Appendf(dst, `{"ts":%d,"k":%q,"part":%q,"v":"a text","seq":%d}`, t, key, g.part, g.seq)
	case x < 0.026 && g.since > boundMillis/stepMillis:
		t -= leastLate + g.rng.Int64N(mostLate-leastLate)
		fallthrough
	default:
		dst = fmt.Appendf(dst, `{"ts":%d,"k":%q,"part":%q,"v":%d,"seq":%d}`, t, key, g.part, g.rng.IntN(1000), g.seq)
	}
	g.seq++
	dst = append(dst, '\n')
	if g.bulk > 0 {
		dst = append(dst, strings.Repeat(" ", g.bulk)...)
		dst = append(dst, '\n')
	}
	return dst
}

// key is one of some keys, of which few are frequent.
func (g *traffic) key() string { return fmt.Sprint("k", int(1/(1-g.rng.Float64()))%23) }

func (g *traffic) lines(n int) (text []byte) {
	for range n {
		text = g.appendLine(text)
	}
	return text
}

// writeInput writes a file of traffic, compressed if its name says so.
func writeInput(t testing.TB, path string, text []byte) {
	t.Helper()
	if !strings.HasSuffix(path, ".gz") {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// writeFiles writes several files of traffic, every third one compressed, and
// returns a pattern that finds them.
func writeFiles(t testing.TB, dir string, seed uint64, files, lines, bulk int) string {
	t.Helper()
	for i := range files {
		name := fmt.Sprintf("part-%d.jsonl", i)
		if i%3 == 1 {
			name += ".gz"
		}
		writeInput(t, filepath.Join(dir, name), newTraffic(seed+uint64(i), name, bulk).lines(lines))
	}
	return filepath.Join(dir, "part-*")
}
