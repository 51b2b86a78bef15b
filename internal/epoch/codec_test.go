package epoch

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/state"
)

var drawBytes = rapid.SliceOfN(rapid.Byte(), 0, 40)

// TestSeal reads values back, and none that was changed anywhere, nor under
// another key.
func TestSeal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, payload, before := drawBytes.Draw(t, "key"), drawBytes.Draw(t, "payload"), drawBytes.Draw(t, "before")
		value := Seal(bytes.Clone(before), key, payload)
		if !bytes.HasPrefix(value, before) {
			t.Fatal("what was there before is gone")
		}
		value = value[len(before):]
		got, err := Open(key, value)
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%x reads back as %x, %v", payload, got, err)
		}
		i, bit := rapid.IntRange(0, len(value)-1).Draw(t, "at"), byte(1)<<rapid.IntRange(0, 7).Draw(t, "bit")
		value[i] ^= bit
		if _, err := Open(key, value); !errors.Is(err, state.ErrCorrupt) {
			t.Fatalf("with byte %d changed: %v", i, err)
		}
		value[i] ^= bit
		if _, err := Open(key, value[:i]); !errors.Is(err, state.ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
		if _, err := Open(append(key, 'x'), value); !errors.Is(err, state.ErrCorrupt) {
			t.Fatalf("under another key: %v", err)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	newer := append([]byte{9}, "payload"...)
	newer = End(newer, recordKey, 0)
	_, err := Open(recordKey, newer)
	if !errors.Is(err, state.ErrVersion) || errors.Is(err, state.ErrCorrupt) {
		t.Errorf("a newer value gives %v", err)
	}
	const want = "the record of the last epoch: unknown format version: its value has version 9, this program reads version 1"
	if err != nil && err.Error() != want {
		t.Errorf("a newer value gives\n%v, want\n%s", err, want)
	}
	if _, err := Open(recordKey, End(nil, recordKey, 0)); !errors.Is(err, state.ErrCorrupt) {
		t.Errorf("a value without a version gives %v", err)
	}
	value := Seal(nil, recordKey, nil)
	value[0] ^= 2
	if _, err := Open(recordKey, value); errors.Is(err, state.ErrVersion) || !strings.HasPrefix(fmt.Sprint(err), "the record of the last epoch: corrupt: its checksum is ") {
		t.Errorf("a damaged version is taken for a newer one: %v", err)
	}
}

// TestSealingAllocatesNothing: an epoch seals a hundred thousand values.
func TestSealingAllocatesNothing(t *testing.T) {
	key, payload := make([]byte, 40), make([]byte, 250)
	var value, wkey []byte
	seal := func() {
		wkey = AppendWindowKey(wkey[:0], 1, KindPane, 5, key)
		value = append(Begin(value[:0]), payload...)
		value = End(value, wkey, 0)
		value = Seal(value[:0], wkey, payload)
		if _, err := Open(wkey, value); err != nil {
			t.Fatal(err)
		}
	}
	seal()
	if n := testing.AllocsPerRun(100, seal); n > 0 {
		t.Errorf("sealing a value allocates %v times", n)
	}
}

func drawToken(t *rapid.T) []byte {
	if rapid.Bool().Draw(t, "nil") {
		return nil
	}
	return append([]byte{}, drawBytes.Draw(t, "token")...)
}

func drawClock(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "no time") {
		return time.Time{}
	}
	return time.Unix(rapid.Int64Range(-1e11, 1e11).Draw(t, "seconds"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanos")).UTC()
}

func drawHeader(t *rapid.T) *Header {
	h := &Header{Pipeline: rapid.String().Draw(t, "pipeline"), Created: drawClock(t)}
	copy(h.Incarnation[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "incarnation"))
	return h
}

func drawRecord(t *rapid.T) Record {
	rec := Record{Number: max(1, rapid.Uint64().Draw(t, "number")), Time: drawClock(t), Watermark: drawTime.Draw(t, "watermark")}
	for range rapid.IntRange(0, 3).Draw(t, "queries") {
		q := Query{Name: rapid.String().Draw(t, "name"), Hash: rapid.Uint64().Draw(t, "hash"), Since: drawTime.Draw(t, "since")}
		for _, n := range q.Counts.all() {
			*n = rapid.Int64().Draw(t, "count")
		}
		rec.Queries = append(rec.Queries, q)
	}
	return rec
}

func drawPartition(t *rapid.T) Partition {
	return Partition{
		ID:       rapid.Uint32().Draw(t, "id"),
		Origin:   event.Origin{Topic: rapid.String().Draw(t, "topic"), Path: rapid.String().Draw(t, "path"), Partition: rapid.Int32().Draw(t, "partition")},
		Position: rapid.Int64().Draw(t, "position"), Token: drawToken(t), Watermark: drawTime.Draw(t, "watermark"),
	}
}

func drawPlace(t *rapid.T) Place {
	return Place{Sink: rapid.String().Draw(t, "sink"), Epoch: rapid.Uint64().Draw(t, "epoch"), Token: drawToken(t)}
}

// TestPayloads reads everything back, and nothing that is longer or shorter.
func TestPayloads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, rec, part, place := drawHeader(t), drawRecord(t), drawPartition(t), drawPlace(t)
		exact(t, encodeHeader(h), h, decodeHeader)
		exact(t, encodeRecord(&rec), rec, decodeRecord)
		exact(t, appendPartition(nil, &part), part, func(b []byte) (Partition, error) { return decodePartition(part.ID, b) })
		exact(t, appendPlace(nil, &place), place, func(b []byte) (Place, error) { return decodePlace(place.Sink, b) })
	})
}

func exact[T any](t *rapid.T, payload []byte, want T, decode func([]byte) (T, error)) {
	got, err := decode(payload)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v reads back as %+v, %v", want, got, err)
	}
	if _, err := decode(append(bytes.Clone(payload), 0)); err == nil {
		t.Fatalf("%T: a byte too many is no error", want)
	}
	cut := rapid.IntRange(0, len(payload)-1).Draw(t, "cut")
	if _, err := decode(payload[:cut]); err == nil {
		t.Fatalf("%T: cut to %d bytes of %d it is no error", want, cut, len(payload))
	}
}

func TestImpossibleClock(t *testing.T) {
	r := reader{buf: append([]byte{0}, 0x80, 0x94, 0xeb, 0xdc, 0x03)} // a second and 1e9 nanoseconds
	if r.time(); r.err == nil {
		t.Error("a second has 1e9 nanoseconds")
	}
}

// TestCountsAreAllStored fails when a count is added and not stored.
func TestCountsAreAllStored(t *testing.T) {
	var c Counts
	for i, n := range c.all() {
		*n = int64(i + 1)
	}
	v := reflect.ValueOf(c)
	if v.NumField() != len(c.all()) {
		t.Errorf("%d of %d counts are stored", len(c.all()), v.NumField())
	}
	for i := range v.NumField() {
		if v.Field(i).Int() == 0 {
			t.Errorf("%s is not stored", v.Type().Field(i).Name)
		}
	}
}

func TestNewerFormat(t *testing.T) {
	payload := append([]byte{2}, "nobody knows"...)
	_, err := readHeader(headerKey, Seal(nil, headerKey, payload))
	const want = "the header: unknown format version: the state has format 2, this program reads format 1"
	if !errors.Is(err, state.ErrVersion) || errors.Is(err, state.ErrCorrupt) || err.Error() != want {
		t.Errorf("a newer format gives\n%v, want\n%s", err, want)
	}
}

func FuzzPayloads(f *testing.F) {
	f.Add(encodeHeader(&Header{Pipeline: "p"}))
	f.Add(encodeRecord(&Record{Number: 1, Queries: []Query{{Name: "q", Hash: 7}}}))
	f.Add(appendPartition(nil, &Partition{Origin: event.Origin{Path: "a.jsonl"}, Token: []byte{1}}))
	f.Add(appendPlace(nil, &Place{Epoch: 9, Token: []byte{}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHeader(b); err == nil {
			again(t, encodeHeader(h), h, decodeHeader)
		}
		if rec, err := decodeRecord(b); err == nil {
			again(t, encodeRecord(&rec), rec, decodeRecord)
		}
		if p, err := decodePartition(1, b); err == nil {
			again(t, appendPartition(nil, &p), p, func(b []byte) (Partition, error) { return decodePartition(1, b) })
		}
		if p, err := decodePlace("s", b); err == nil {
			again(t, appendPlace(nil, &p), p, func(b []byte) (Place, error) { return decodePlace("s", b) })
		}
	})
}

// again holds what was decoded against what it is after another round.
func again[T any](t *testing.T, payload []byte, want T, decode func([]byte) (T, error)) {
	if got, err := decode(payload); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v reads back as %+v, %v", want, got, err)
	}
}

func BenchmarkSeal(b *testing.B) {
	b.ReportAllocs()
	key, payload := make([]byte, 40), make([]byte, 250)
	var value []byte
	for b.Loop() {
		value = append(Begin(value[:0]), payload...)
		value = End(value, key, 0)
	}
	b.SetBytes(int64(len(value)))
}
