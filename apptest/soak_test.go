package apptest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// soakVar scales how many events TestADay reads: 10 is ten times as many.
const soakVar = "APPTEST_SOAK"

const dayConfig = `name: day
source: {file: {path: "${IN}", follow: true}}
event: {time: {field: ts, format: unix_ms}}
watermark: {max_out_of_orderness: 20s, interval: 1ms, when_idle: hold}
queries:
  - name: tumbling
    key: [k]
    window: {tumbling: 1m}
    allowed_lateness: 5m
    aggregate: {n: count(), p95: p95(v), ids: distinct(id)}
  - name: sliding
    key: [k]
    window: {sliding: {size: 10m, slide: 1m}}
    allowed_lateness: 2m
    aggregate: {n: count(), max: max(v)}
  - name: session
    key: [k]
    window: {session: 90s}
    allowed_lateness: 5m
    aggregate: {n: count(), sum: sum(v)}
sinks:
  - file: {path: "${OUT}/results.jsonl"}
late_events: {file: {path: "${OUT}/late.jsonl"}}
state: {backend: pebble, path: "${OUT}/state", epoch: 1ms, checkpoint: {every: 50ms, retain: 8}}
`

// The day: its events come in slices, and after the first ones the state has as
// much as it ever needs.
const (
	dayEvents = 160_000
	daySlices = 36
	dayWarm   = 3
	dayBegins = 1_750_000_000_000 // milliseconds since 1970
	dayMillis = 24 * 60 * 60 * 1000
	// dayFiles is more than the database ever takes: what it collects in memory
	// is in its log too, twice while it is written in order.
	dayFiles = 64 << 20
)

// appendDay appends the events from one number to another of a day that has all.
// Keys live for ten minutes and then never come again.
func appendDay(dst []byte, rng *rand.Rand, from, to, all int) []byte {
	for i := from; i < to; i++ {
		t := dayMillis * int64(i) / int64(all)
		key := fmt.Sprint("k", t/600_000, "-", rng.IntN(60))
		if t -= rng.Int64N(20_000); rng.IntN(200) == 0 {
			t -= rng.Int64N(400_000)
		}
		dst = fmt.Appendf(dst, `{"ts":%d,"k":%q,"v":%d,"id":%d}`+"\n", dayBegins+t, key, rng.IntN(1000), i)
	}
	return dst
}

// sample is what the state holds at one time.
type sample struct {
	Keys, Bytes int64
	// Outbox is what of it are rows on their way.
	Outbox     struct{ Blocks, Bytes int64 }
	Partitions []struct{ Position int64 }
	Queries    []struct {
		Name   string
		Ledger map[string]int64
	}
	disk int64
}

// sampleAt waits for a checkpoint that was made when all of the input up to a
// position was read, and looks at it, which is possible while the pipeline runs.
func (s *site) sampleAt(t *testing.T, r *running, position int64) (have sample) {
	t.Helper()
	r.until(t, "a checkpoint of now", func() bool {
		names := s.glob(t, "state/checkpoints/20*")
		if len(names) == 0 {
			return false
		}
		newest := slices.MaxFunc(names, func(a, b string) int { return madeAt(a).Compare(madeAt(b)) })
		p, code := run(t, nil, "state", "inspect", "--json", "--path", s.state(), filepath.Base(newest))
		if code != 0 {
			return false // it is gone already
		}
		have = sample{}
		if err := json.Unmarshal(p.out.Bytes(), &have); err != nil {
			t.Fatal(err)
		}
		return len(have.Partitions) == 1 && have.Partitions[0].Position == position
	})
	have.disk = s.diskSize(t)
	have.Keys -= have.Outbox.Blocks
	have.Bytes -= have.Outbox.Bytes
	return have
}

func madeAt(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// diskSize is how much the database takes, without checkpoints.
func (s *site) diskSize(t *testing.T) (n int64) {
	t.Helper()
	_ = filepath.WalkDir(filepath.Join(s.state(), "db"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // files come and go
		}
		if info, err := d.Info(); err == nil && !d.IsDir() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// flat wants figures not to grow after they have become what they are.
func flat(t *testing.T, what string, figures []int64) {
	t.Helper()
	sorted := slices.Sorted(slices.Values(figures))
	median := sorted[len(sorted)/2]
	t.Logf("%s: median %d, from %d to %d", what, median, sorted[0], sorted[len(sorted)-1])
	if sorted[len(sorted)-1] > 2*median || sorted[0] == 0 {
		t.Errorf("%s: the state is not flat: %d", what, figures)
	}
}

// TestADay reads a day of events, epoch after epoch as fast as they come. What
// the state holds depends on what is open, not on how much there was, and when
// no more events come it is next to nothing.
func TestADay(t *testing.T) {
	t.Parallel()
	all := dayEvents
	if text := os.Getenv(soakVar); text != "" {
		factor, err := strconv.ParseFloat(text, 64)
		if err != nil || factor <= 0 {
			t.Fatalf("%s is %q, want a positive number", soakVar, text)
		}
		all = int(float64(all) * factor)
	}
	s := newSite(t, scratch(t), dayConfig, inName)
	in, err := os.Create(s.path(inName))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r := s.start(t)
	rng := rand.New(rand.NewPCG(*seed, 24))
	var keys, bytes, disk []int64
	for i := range daySlices {
		if _, err := in.Write(appendDay(nil, rng, all*i/daySlices, all*(i+1)/daySlices, all)); err != nil {
			t.Fatal(err)
		}
		now := s.sampleAt(t, r, s.size(inName))
		if i >= dayWarm {
			keys, bytes, disk = append(keys, now.Keys), append(bytes, now.Bytes), append(disk, now.disk)
		}
	}
	flat(t, "keys", keys)
	flat(t, "bytes", bytes)
	t.Logf("files: at most %d bytes", slices.Max(disk))
	if slices.Max(disk) > dayFiles {
		t.Errorf("the files of the state grow: %d", disk)
	}
	// One event, two days later, lets everything else expire.
	if _, err := fmt.Fprintf(in, `{"ts":%d,"k":"the last","v":1,"id":-1}`+"\n", dayBegins+3*dayMillis); err != nil {
		t.Fatal(err)
	}
	last := s.sampleAt(t, r, s.size(inName))
	t.Logf("in the end there are %d keys, %d bytes", last.Keys, last.Bytes)
	if last.Keys >= 100 || last.Bytes >= 100_000 {
		t.Errorf("%d keys, %d bytes are left: %+v", last.Keys, last.Bytes, last)
	}
	r.until(t, "space that is given back", func() bool { return s.diskSize(t) < 1<<20 })
	r.terminate(t)
	checkDay(t, s, last, int64(all)+1)
}

// checkDay wants each event to have been counted, and those in tumbling windows
// to be in the last row of each.
func checkDay(t *testing.T, s *site, last sample, all int64) {
	t.Helper()
	for _, q := range last.Queries {
		l := q.Ledger
		if l["read"] != all || l["in_windows"]+l["late"] != all {
			t.Errorf("query %s has read %d events of %d: %v", q.Name, l["read"], all, l)
		}
		if q.Name != "tumbling" {
			continue
		}
		counts := map[string]int64{}
		for line := range strings.Lines(s.read(t, "results.jsonl")) {
			if !strings.Contains(line, `"query":"tumbling"`) {
				continue
			}
			var r struct {
				WindowID string `json:"window_id"`
				Values   struct{ N int64 }
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			counts[r.WindowID] = r.Values.N
		}
		sum := int64(1) // the last event's window is open
		for _, n := range counts {
			sum += n
		}
		if sum != l["in_windows"] {
			t.Errorf("%d events are in the rows of %d windows, and %d in the ledger", sum, len(counts), l["in_windows"])
		}
	}
}
