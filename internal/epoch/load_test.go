package epoch

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/state"
)

func TestLoadEmpty(t *testing.T) {
	r := newRoom(t)
	if s := r.load(); s.Header != nil || s.Record.Number != 0 || len(s.Partitions)+len(s.Places) > 0 {
		t.Errorf("an empty store holds %+v", s)
	}
}

func TestLoad(t *testing.T) {
	r := newRoom(t)
	r.fill()
	want := &Snapshot{
		Header: exampleHeader(), Record: exampleRecord(4), Partitions: examplePartitions(),
		Places: map[string]Place{}, OutboxFirst: 2, OutboxLast: 3,
	}
	for _, p := range examplePlaces() {
		want.Places[p.Sink] = p
	}
	if got := r.load(); !reflect.DeepEqual(got, want) {
		t.Errorf("the store holds\n%+v, want\n%+v", got, want)
	}
}

func TestLoadWindows(t *testing.T) {
	r := newRoom(t)
	r.fill()
	var got []string
	list := func(kind Kind, time int64, key, payload []byte) error {
		got = append(got, fmt.Sprintf("%s %d %x %s", kind, time, key, payload))
		return nil
	}
	for _, hash := range []uint64{hashOfMinute, hashOfSessions, 99} {
		if err := Windows(t.Context(), r, hash, list); err != nil {
			t.Fatal(err)
		}
	}
	key, other := "73056770742d78644045000000000000", "73056770742d796e"
	want := []string{
		"window 1767268800000000000 " + key + " payload of window",
		"window 1767268800000000000 " + other + " payload of window",
		"window 1767268860000000000 " + key + " payload of window",
		"session 1 " + key + " payload of session",
		"session 2 " + other + " payload of session",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the windows are\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLoadOutbox(t *testing.T) {
	r := newRoom(t)
	r.fill()
	var d Decoder
	var rows result.Batch
	for _, c := range []struct {
		from, to uint64
		want     string
	}{
		{0, 99, "2/0: 8, 2/1: 3, 3/0: 1, "}, {3, 5, "3/0: 1, "}, {2, 3, "2/0: 8, 2/1: 3, "}, {4, 99, ""}, {3, 3, ""},
	} {
		var got strings.Builder
		err := Outbox(t.Context(), r, c.from, c.to, func(epoch uint64, sequence uint32, payload []byte) error {
			err := d.DecodeBlock(payload, &rows)
			fmt.Fprintf(&got, "%d/%d: %d, ", epoch, sequence, rows.Len())
			return err
		})
		if err != nil || got.String() != c.want {
			t.Errorf("epochs %d to %d have the rows %s, %v; want %s", c.from, c.to, &got, err, c.want)
		}
	}
}

var errCaller = errors.New("the caller's")

// TestCallersErrorsNameTheKey: what the engine finds in a window has to say
// which window it was.
func TestCallersErrorsNameTheKey(t *testing.T) {
	r := newRoom(t)
	r.fill()
	err := Windows(t.Context(), r, hashOfSessions, func(Kind, int64, []byte, []byte) error { return errCaller })
	if want := `session 1 of query 2222222222222222, key ["gpt-x",42]: the caller's`; !errors.Is(err, errCaller) || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
	err = Outbox(t.Context(), r, 0, 9, func(uint64, uint32, []byte) error { return errCaller })
	if want := "block 0 of the rows of epoch 2: the caller's"; !errors.Is(err, errCaller) || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

// TestLoadDamaged: each damage is told, with the key and what is wrong.
func TestLoadDamaged(t *testing.T) {
	short := func(r room, key []byte) { r.seal(key, nil) }
	for name, c := range map[string]struct {
		hurt func(r room)
		kind error
		want string
	}{
		"no header":                         {func(r room) { r.remove(headerKey) }, state.ErrCorrupt, "the record of the last epoch: corrupt: there is no header"},
		"a damaged header":                  {func(r room) { r.set(headerKey, []byte("123456")) }, state.ErrCorrupt, "the header: corrupt: its checksum"},
		"a short header":                    {func(r room) { short(r, headerKey) }, state.ErrCorrupt, "the header: corrupt: cut short"},
		"a newer format":                    {func(r room) { r.seal(headerKey, []byte{200, 1}) }, state.ErrVersion, "the state has format 200, this program reads format 1"},
		"no record":                         {func(r room) { r.remove(recordKey) }, state.ErrCorrupt, "the record of the last epoch: corrupt: it is missing"},
		"a short record":                    {func(r room) { short(r, recordKey) }, state.ErrCorrupt, "the record of the last epoch: corrupt: cut short"},
		"record 0":                          {func(r room) { r.seal(recordKey, encodeRecord(&Record{})) }, state.ErrCorrupt, "epochs count from 1"},
		"a short partition":                 {func(r room) { short(r, partitionKey(7)) }, state.ErrCorrupt, "partition 7: corrupt: cut short"},
		"a partition's key":                 {func(r room) { r.seal([]byte("p12"), nil) }, state.ErrCorrupt, "unknown key 703132: corrupt"},
		"a short place":                     {func(r room) { short(r, placeKey("file")) }, state.ErrCorrupt, `the place of sink "file": corrupt: cut short`},
		"a place ahead":                     {func(r room) { r.seal(placeKey("file"), []byte{9, 0}) }, state.ErrCorrupt, "it is at epoch 9, the last one is 4"},
		"a sink without name":               {func(r room) { r.seal([]byte("s"), []byte{1, 0}) }, state.ErrCorrupt, "unknown key 73: corrupt"},
		"a class before all":                {func(r room) { r.seal([]byte("A"), nil) }, state.ErrCorrupt, "unknown key 41: corrupt"},
		"a class between":                   {func(r room) { r.seal([]byte("q"), nil) }, state.ErrCorrupt, "unknown key 71: corrupt"},
		"a class at the end":                {func(r room) { r.seal([]byte("\xff\xff"), nil) }, state.ErrCorrupt, "unknown key ffff: corrupt"},
		"a longer header":                   {func(r room) { r.seal([]byte("ab"), nil) }, state.ErrCorrupt, "unknown key 6162: corrupt"},
		"an outbox key":                     {func(r room) { r.seal([]byte("o"), nil) }, state.ErrCorrupt, "unknown key 6f: corrupt"},
		"a long key of rows is for Inspect": {func(r room) { r.seal(append(appendOutboxKey(nil, 3, 9), 1), nil) }, nil, ""},
		"rows ahead":                        {func(r room) { r.seal(appendOutboxKey(nil, 5, 0), nil) }, state.ErrCorrupt, "block 0 of the rows of epoch 5: corrupt: the last epoch is 4"},
	} {
		r := newRoom(t)
		r.fill()
		c.hurt(r)
		_, err := Load(t.Context(), r)
		if !errors.Is(err, c.kind) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %s", name, err, c.want)
		}
	}
}

func TestDamagedWindowsAndRows(t *testing.T) {
	r := newRoom(t)
	from, _ := queryRange(hashOfMinute)
	none := func(Kind, int64, []byte, []byte) error { return nil }
	r.seal(from, nil)
	if err := Windows(t.Context(), r, hashOfMinute, none); !errors.Is(err, state.ErrCorrupt) {
		t.Errorf("a window's key that is too short: %v", err)
	}
	r.set(AppendWindowKey(nil, hashOfSliding, KindPane, 0, nil), []byte("damaged"))
	err := Windows(t.Context(), r, hashOfSliding, none)
	if !errors.Is(err, state.ErrCorrupt) || !strings.HasPrefix(err.Error(), "pane of query 3333333333333333 starting 1970") {
		t.Errorf("a damaged window: %v", err)
	}
	r.set(appendOutboxKey(nil, 1, 0), []byte("damaged"))
	if err := Outbox(t.Context(), r, 0, 2, nil); !errors.Is(err, state.ErrCorrupt) {
		t.Errorf("damaged rows: %v", err)
	}
	r.seal(append(appendOutboxKey(nil, 4, 0), 0), nil)
	if err := Outbox(t.Context(), r, 4, 5, nil); !errors.Is(err, state.ErrCorrupt) {
		t.Errorf("a block's key that is too long: %v", err)
	}
}

// TestOutboxEnds finds the oldest and the newest epoch with rows, wherever they
// are, and without reading all of them.
func TestOutboxEnds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRoom(t)
		number := rapid.Uint64Range(1, 2000).Draw(rt, "epochs")
		with := rapid.SliceOfN(rapid.Uint64Range(1, number), 0, 6).Draw(rt, "with rows")
		r.seal(headerKey, encodeHeader(exampleHeader()), recordKey, encodeRecord(&Record{Number: number}))
		var first, last uint64
		for i, e := range with {
			r.seal(appendOutboxKey(nil, e, uint32(i)), nil)
			if first == 0 || e < first {
				first = e
			}
			last = max(last, e)
		}
		counted := &counting{Backend: r.Backend}
		s, err := Load(t.Context(), counted)
		if err != nil || s.OutboxFirst != first || s.OutboxLast != last {
			rt.Fatalf("rows are in epochs %v of %d: found %d to %d, %v", with, number, s.OutboxFirst, s.OutboxLast, err)
		}
		if counted.keys > 30 {
			rt.Fatalf("%d keys were read to find the epochs", counted.keys)
		}
	})
}

// counting counts the keys that scans read.
type counting struct {
	state.Backend
	keys int
}

func (c *counting) Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	return c.Backend.Scan(ctx, from, to, func(key, value []byte) error {
		c.keys++
		return fn(key, value)
	})
}

// TestBackendErrors: an error of the backend is handed on, whichever call it
// was.
func TestBackendErrors(t *testing.T) {
	r := newRoom(t)
	r.fill()
	failed := 0
	for k := range 20 {
		_, err := Load(t.Context(), &failing{Backend: r.Backend, left: k})
		if err == nil {
			break
		}
		if !errors.Is(err, errCaller) {
			t.Errorf("call %d: %v", k, err)
		}
		failed++
	}
	if failed < 6 {
		t.Errorf("only %d calls of the backend were seen", failed)
	}
	if _, err := Inspect(t.Context(), &failing{Backend: r.Backend}); !errors.Is(err, errCaller) {
		t.Errorf("Inspect says %v", err)
	}
}

// failing is a backend whose calls fail after some.
type failing struct {
	state.Backend
	left int
}

func (f *failing) Get(ctx context.Context, key []byte) ([]byte, error) {
	if f.left--; f.left < 0 {
		return nil, errCaller
	}
	return f.Backend.Get(ctx, key)
}

func (f *failing) Scan(ctx context.Context, from, to []byte, fn func(key, value []byte) error) error {
	if f.left--; f.left < 0 {
		return errCaller
	}
	return f.Backend.Scan(ctx, from, to, fn)
}
