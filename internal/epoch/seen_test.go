package epoch

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/memory"
)

var someSeen = rapid.Custom(func(t *rapid.T) Seen {
	s := Seen{Time: rapid.OneOf(rapid.Int64Range(-50, 50), rapid.Int64()).Draw(t, "time")}
	copy(s.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	return s
})

func TestSeenReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOf(someSeen).Draw(t, "ids")
		definition := rapid.Uint64().Draw(t, "definition")
		d, back, err := decodeSeen(appendSeen(nil, definition, ids), nil)
		if err != nil || d != definition || !slices.Equal(back, ids) {
			t.Fatalf("%v, %x, %v", back, d, err)
		}
	})
}

// What is stored is what came less the periods that are too old, whatever the
// epochs, and in the order in which later ids replace earlier ones.
func TestSeenIsKeptByPeriod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		db, err := memory.New().Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		const width = 10
		want := map[uint32][]Seen{}
		before := map[uint32]int64{}
		last := uint64(0)
		for range rapid.IntRange(1, 6).Draw(t, "epochs") {
			c := &Commit{Last: last, Record: Record{Number: last + 1}}
			if last == 0 {
				c.Header = &Header{Pipeline: "p"}
			}
			for p := range uint32(2) {
				s := SeenIDs{Partition: p, Definition: 7, Width: width, Before: event.MinTime}
				s.IDs = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Seen {
					s := someSeen.Draw(t, "seen")
					s.Time = rapid.Int64Range(-40, 40).Draw(t, "at")
					return s
				}), 0, 4).Draw(t, "ids")
				if old, ok := before[p]; ok {
					s.Before = old
				}
				if rapid.Bool().Draw(t, "forget") {
					s.Before = max(s.Before, rapid.Int64Range(-4, 4).Draw(t, "before"))
					before[p] = s.Before
				}
				want[p] = slices.DeleteFunc(append(want[p], s.IDs...), func(x Seen) bool { return Period(x.Time, width) < s.Before })
				c.Seen = append(c.Seen, s)
			}
			if rapid.IntRange(0, 9).Draw(t, "gone") == 0 {
				c.Gone, c.Seen = []uint32{1}, c.Seen[:1]
				delete(want, 1)
				delete(before, 1)
			}
			var b state.Batch
			if err := c.AppendTo(&b); err != nil {
				t.Fatal(err)
			}
			if err := db.Apply(ctx, &b); err != nil {
				t.Fatal(err)
			}
			last++
		}
		got := map[uint32][]Seen{}
		err = LoadSeen(ctx, db, func(p uint32, definition uint64, ids []Seen) error {
			if definition != 7 {
				return errors.New("another definition")
			}
			got[p] = append(got[p], ids...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for p := range uint32(2) {
			slices.SortStableFunc(want[p], func(x, y Seen) int { return int(Period(x.Time, width) - Period(y.Time, width)) })
			if !slices.Equal(got[p], want[p]) {
				t.Fatalf("partition %d holds %v, not %v", p, got[p], want[p])
			}
		}
		snapshot, err := Load(ctx, db)
		if err != nil || snapshot.Record.Number != last {
			t.Fatalf("the rest: %+v, %v", snapshot, err)
		}
		report, err := Inspect(ctx, db)
		if err != nil || report.ProblemCount > 0 || report.IDs != int64(len(got[0])+len(got[1])) {
			t.Fatalf("inspected: %+v, %v", report, err)
		}
	})
}

func FuzzDecodeSeen(f *testing.F) {
	f.Add(appendSeen(nil, 1, []Seen{{Time: 5}, {Time: -7}}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		definition, ids, err := decodeSeen(payload, nil)
		if err != nil {
			return
		}
		again := appendSeen(nil, definition, ids)
		if _, back, err := decodeSeen(again, nil); err != nil || !slices.Equal(back, ids) {
			t.Fatalf("%x reads as %v, and that as %v: %v", payload, ids, back, err)
		}
		if len(again) > len(payload) && !bytes.Equal(again, payload) {
			t.Fatalf("%x grows to %x", payload, again)
		}
	})
}
