package engine

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/result"
)

func keptPlan(t rapid.TB) *plan.Plan {
	t.Helper()
	p, problems := plan.Build(plan.Input{Pipeline: "kept", Queries: keptQueries()})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

// fed is a shard that has taken some events, and the epoch of that.
func fed(t rapid.TB) *kept {
	t.Helper()
	p := keptPlan(t)
	k, in := newKept(p, beginning(p)), newKeptInput(t, p, 1)
	for range 10 {
		k.feed(t, in.batch(t, 1)[0])
	}
	k.cutNow()
	k.saveSome(1 << 30)
	return k
}

// slots are some accumulators of a shard's queries with something in them, and
// an empty one.
func slotsOf(m *mergeQuery, cells map[int64]*bucket) []uint32 {
	slots := []uint32{m.comp.Alloc()}
	for _, b := range cells {
		for _, c := range b.cells {
			slots = append(slots, c.slot)
		}
	}
	return slots
}

func TestCellsGoRound(t *testing.T) {
	m := fed(t).mergers[1].(*windows)
	slots := slotsOf(&m.mergeQuery, m.byIndex)
	if len(slots) < 3 {
		t.Fatal("no cells to speak of")
	}
	rapid.Check(t, func(t *rapid.T) {
		c := cell{
			slot: rapid.SampledFrom(append(slots, noSlot)).Draw(t, "slot"), firing: rapid.Uint32().Draw(t, "firing"),
			count: rapid.Uint64().Draw(t, "count"), flags: cellFlags(rapid.Byte().Draw(t, "flags")),
		}
		place := rapid.IntRange(0, 1<<40).Draw(t, "place")
		got, gotPlace, state, err := readCell(m.appendCell([]byte("before")[:0], &c, place))
		if err != nil {
			t.Fatal(err)
		}
		// What a cell is to a run, or to an epoch, is not stored.
		want := cell{slot: noSlot, firing: c.firing, count: c.count, flags: c.flags & (hasNew | firedAtEnd)}
		if got != want || gotPlace != uint64(place) {
			t.Fatalf("%+v at %d is read as %+v at %d", want, place, got, gotPlace)
		}
		if c.slot == noSlot {
			if state != nil {
				t.Fatalf("a cell without accumulators has %x", state)
			}
			return
		}
		loaded := m.comp.Alloc()
		defer m.comp.Free(loaded)
		if err := m.comp.LoadState(loaded, state); err != nil {
			t.Fatal(err)
		}
		if again := m.comp.AppendState(nil, loaded); !bytes.Equal(again, state) {
			t.Fatalf("accumulators were %x and are %x", state, again)
		}
	})
}

func drawSession(t *rapid.T) session {
	at := func(what string) int64 { return rapid.Int64().Draw(t, what) }
	s := session{
		start: at("start"), end: at("end"), identity: at("identity"), firedStart: at("fired start"), firedEnd: at("fired end"),
		count: rapid.Uint64().Draw(t, "count"), firing: rapid.Uint32().Draw(t, "firing"), flags: sessionFlags(rapid.Byte().Draw(t, "flags")),
	}
	if s.start > s.end {
		s.start, s.end = s.end, s.start
	} else if s.start == s.end {
		s.start, s.end = 0, 1
	}
	for range rapid.IntRange(0, 5).Draw(t, "retractions") {
		s.retracts = append(s.retracts, firing{
			start: at("start"), end: at("end"), identity: at("identity"), number: rapid.Uint32().Draw(t, "number"), timing: result.Retract,
		})
	}
	return s
}

func TestSessionsGoRound(t *testing.T) {
	m := fed(t).mergers[4].(*sessions)
	rapid.Check(t, func(t *rapid.T) {
		s := drawSession(t)
		s.slot = rapid.SampledFrom([]uint32{m.comp.Alloc(), m.all[0].slot}).Draw(t, "slot")
		payload := m.appendSession(nil, &s)
		got, state, err := readSession(payload)
		if err != nil {
			t.Fatal(err)
		}
		if want := m.comp.AppendState(nil, s.slot); !bytes.Equal(state, want) {
			t.Fatalf("accumulators were %x and are %x", want, state)
		}
		s.slot, s.flags = 0, s.flags&(sessionHasNew|sessionFired|sessionOwed)
		if !reflect.DeepEqual(got, s) {
			t.Fatalf("%+v is read as %+v", s, got)
		}
	})
}

// varints are numbers, written as payloads have them.
func varints(flags byte, signed []int64, unsigned ...uint64) []byte {
	b := []byte{flags}
	for _, v := range signed {
		b = binary.AppendVarint(b, v)
	}
	for _, v := range unsigned {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func TestDamagedCells(t *testing.T) {
	for _, c := range []struct{ payload, want string }{
		{"", "cut short"},
		{"\x00", "cut short"},
		{"\x00\x01\x02", "cut short"},
		{"\x00\x01\x02\x80", "cut short"},
		{"\x00" + strings.Repeat("\xff", 11), "cut short"}, // a number of more than 64 bits
		{string(varints(storedSlot<<1, nil, 0, 0, 0)), "out of range"},
		{string(varints(0xff, nil, 0, 0, 0)), "out of range"},
		{string(varints(0, nil, 0, 1<<32, 0)), "out of range"},
		{string(varints(storedNew, nil, 0, 0, 0)) + "xy", "2 bytes too many"},
	} {
		if _, _, state, err := readCell([]byte(c.payload)); err == nil || !strings.Contains(err.Error(), c.want) || state != nil {
			t.Errorf("%x is read with %v, want %q", c.payload, err, c.want)
		}
	}
}

func TestDamagedSessions(t *testing.T) {
	times := []int64{0, 1, 0, 0, 0}
	for _, c := range []struct {
		name    string
		payload []byte
		want    string
	}{
		{"nothing", nil, "cut short"},
		{"times", varints(0, times[:4]), "cut short"},
		{"a count", varints(0, times, 1), "cut short"},
		{"no number of retractions", varints(0, times, 1, 1), "cut short"},
		{"a retraction", append(varints(0, times, 1, 1, 1), 0, 0, 0), "cut short"},
		{"many retractions", append(varints(0, times, 1, 1, 3), make([]byte, 11)...), "cut short"},
		{"retractions without end", varints(0, times, 1, 1, 1<<64-1), "cut short"},
		{"flags", varints(storedSessionOwed<<1, times, 1, 1, 0), "out of range"},
		{"no length", varints(0, []int64{5, 5, 0, 0, 0}, 1, 1, 0), "out of range"},
		{"an end before the start", varints(0, []int64{5, 4, 0, 0, 0}, 1, 1, 0), "out of range"},
		{"a firing", varints(0, times, 1, 1<<32, 0), "out of range"},
		{"the firing of a retraction", varints(0, times, 1, 1, 1, 0, 0, 0, 1<<32), "out of range"},
	} {
		if _, state, err := readSession(c.payload); err == nil || !strings.Contains(err.Error(), c.want) || state != nil {
			t.Errorf("%s: read with %v, want %q", c.name, err, c.want)
		}
	}
}

// payloadsOf are the payloads of a shard's stored windows, as seeds.
func payloadsOf(t testing.TB, kinds ...epoch.Kind) (out [][]byte) {
	t.Helper()
	for key, value := range fed(t).store {
		w, _ := epoch.ParseWindowKey([]byte(key))
		payload, err := epoch.Open([]byte(key), []byte(value))
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range kinds {
			if w.Kind == kind && len(out) < 20 {
				out = append(out, payload)
			}
		}
	}
	return out
}

func FuzzReadCell(f *testing.F) {
	for _, payload := range payloadsOf(f, epoch.KindWindow, epoch.KindPane, epoch.KindOwn) {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, place, state, err := readCell(payload)
		if err != nil {
			return
		}
		if len(state) > len(payload) || c.slot != noSlot {
			t.Fatalf("%d bytes have %d of accumulators, in slot %d", len(payload), len(state), c.slot)
		}
		var m mergeQuery
		again, at, _, err := readCell(m.appendCell(nil, &c, int(place)))
		if err != nil || again != c || at != place {
			t.Fatalf("%+v at %d is read again as %+v at %d, %v", c, place, again, at, err)
		}
	})
}

func FuzzReadSession(f *testing.F) {
	for _, payload := range payloadsOf(f, epoch.KindSession) {
		f.Add(payload)
	}
	f.Add(append(varints(storedSessionOwed, []int64{0, 9, 3, 0, 0}, 1, 1, 2), make([]byte, 40)...))
	p := keptPlan(f)
	m := newShard(p, Limits{}, false, beginning(p), nil).mergers[4].(*sessions)
	slot := m.comp.Alloc()
	f.Fuzz(func(t *testing.T, payload []byte) {
		s, state, err := readSession(payload)
		// A retraction takes at least four bytes: lengths are not believed.
		if len(state) > len(payload) || 4*len(s.retracts) > len(payload) {
			t.Fatalf("%d bytes have %d of accumulators and %d retractions", len(payload), len(state), len(s.retracts))
		}
		if err != nil {
			return
		}
		s.slot = slot
		again, _, err := readSession(m.appendSession(nil, &s))
		if s.slot = 0; err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%+v is read again as %+v, %v", s, again, err)
		}
	})
}
