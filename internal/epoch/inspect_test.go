package epoch

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/state"
)

func (r room) inspect() *Report {
	r.Helper()
	report, err := Inspect(r.Context(), r)
	if err != nil {
		r.Fatal(err)
	}
	return report
}

func TestInspectEmpty(t *testing.T) {
	if report := newRoom(t).inspect(); !report.Empty || report.ProblemCount > 0 || report.Watermark != nil {
		t.Errorf("an empty store is reported as %+v", report)
	}
}

func TestInspect(t *testing.T) {
	r := newRoom(t)
	r.fill()
	got := r.inspect()
	// How well rows are packed is not ours to promise.
	size := got.Outbox.Bytes
	if size <= 0 || got.Sinks[1].Bytes <= 0 || got.Sinks[1].Bytes >= size || got.Bytes <= size {
		t.Errorf("of %d bytes %d are rows, and sink postgres lacks %d", got.Bytes, size, got.Sinks[1].Bytes)
	}
	got.Bytes, got.Outbox.Bytes, got.Sinks[1].Bytes = 0, 0, 0
	text, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/report.json", string(text)+"\n")
}

// TestInspectFindsDamage: each damage is a problem of its key, and the rest is
// read all the same.
func TestInspectFindsDamage(t *testing.T) {
	orphan := AppendWindowKey(nil, 99, KindWindow, 0, []byte("n"))
	for name, c := range map[string]struct {
		hurt func(r room)
		want []string
	}{
		"nothing":     {func(room) {}, nil},
		"no header":   {func(r room) { r.remove(headerKey) }, []string{"the header"}},
		"header":      {func(r room) { r.set(headerKey, []byte("damaged")) }, []string{"the header"}},
		"no record":   {func(r room) { r.remove(recordKey) }, []string{"the record of the last epoch"}},
		"record":      {func(r room) { r.seal(recordKey, []byte{0}) }, []string{"the record of the last epoch"}},
		"place":       {func(r room) { r.seal(placeKey("file"), []byte{9, 0}) }, []string{`the place of sink "file"`}},
		"window":      {func(r room) { r.set(AppendWindowKey(nil, hashOfMinute, KindWindow, 5, nil), nil) }, []string{"window of query 1111111111111111 starting 1970-01-01T00:00:00.000000005Z, key []"}},
		"orphans":     {func(r room) { r.seal(orphan, nil) }, []string{"window of query 0000000000000063 starting 1970-01-01T00:00:00Z, key [null]"}},
		"rows":        {func(r room) { r.seal(appendOutboxKey(nil, 3, 0), []byte{1, 2, 3}) }, []string{"block 0 of the rows of epoch 3"}},
		"sealed rows": {func(r room) { r.set(appendOutboxKey(nil, 3, 0), []byte("damaged")) }, []string{"block 0 of the rows of epoch 3"}},
		"rows ahead":  {func(r room) { r.seal(appendOutboxKey(nil, 5, 0), []byte{packedNot, 0, 0, 0, 0, 0, 0, 0, 0, 0}) }, []string{"block 0 of the rows of epoch 5"}},
		"rows' key":   {func(r room) { r.seal(append(appendOutboxKey(nil, 3, 9), 1), nil) }, []string{"unknown key 6f00000000000000030000000901"}},
		"several": {func(r room) {
			r.seal([]byte("x"), nil, orphan, nil, partitionKey(7), nil, recordKey, nil)
		}, []string{"the record of the last epoch", "partition 7", "unknown key 78"}},
	} {
		r := newRoom(t)
		r.fill()
		c.hurt(r)
		report := r.inspect()
		var got []string
		for _, p := range report.Problems {
			got = append(got, p.Key)
			if !strings.Contains(p.Err, "corrupt") {
				t.Errorf("%s: the problem is %s", name, p.Err)
			}
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) || report.ProblemCount != int64(len(c.want)) {
			t.Errorf("%s: problems with %q, want %q", name, got, c.want)
		}
	}
}

func TestInspectListsSomeProblemsAndCountsAll(t *testing.T) {
	r := newRoom(t)
	r.fill()
	for i := range 3 * maxProblems {
		r.set(partitionKey(uint32(i)), nil)
	}
	if report := r.inspect(); len(report.Problems) != maxProblems || report.ProblemCount != 3*maxProblems {
		t.Errorf("of %d problems %d are listed", report.ProblemCount, len(report.Problems))
	}
}

func TestInspectRefusesANewerFormat(t *testing.T) {
	r := newRoom(t)
	r.fill()
	r.seal(headerKey, []byte{2})
	if _, err := Inspect(t.Context(), r); !errors.Is(err, state.ErrVersion) {
		t.Errorf("a newer format gives %v", err)
	}
	r.seal(headerKey, encodeHeader(exampleHeader()))
	newer := End([]byte{2, 1, 2, 3}, recordKey, 0)
	r.set(recordKey, newer)
	if report := r.inspect(); report.ProblemCount != 1 || !strings.Contains(report.Problems[0].Err, "version 2, this program reads version 1") {
		t.Errorf("a newer value gives %+v", report.Problems)
	}
}

func TestDistinct(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 10, 5000, 50_000} {
		var d distinct
		seen := map[uint64]bool{}
		for range n {
			h := rng.Uint64N(uint64(1 + n/20))
			seen[h] = true
			d.add(h)
		}
		if c := d.count(); c != int64(len(seen)) {
			t.Errorf("of %d hashes %d are different, want %d", n, c, len(seen))
		}
		if len(seen) > 0 && cap(d.hashes) > 4*len(seen)+5000 {
			t.Errorf("%d different hashes take room for %d", len(seen), cap(d.hashes))
		}
	}
}

func TestMoment(t *testing.T) {
	if moment(event.MinTime) != nil || moment(event.MaxTime) != nil {
		t.Error("the ends of time are moments")
	}
	if m := moment(-1); m == nil || m.UnixNano() != -1 {
		t.Errorf("-1 is %v", m)
	}
}
