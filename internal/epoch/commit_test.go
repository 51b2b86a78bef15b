package epoch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/state"
)

// TestCommitRemoves: partitions, sinks, rows and queries that are named go, and
// nothing else does.
func TestCommitRemoves(t *testing.T) {
	r := newRoom(t)
	r.fill()
	before := r.keys()
	r.commit(&Commit{
		Last: 4, Record: exampleRecord(5),
		Gone: []uint32{7, 99}, GonePlaces: []string{"file", "unknown"}, KeepFrom: 3, DropQueries: []uint64{hashOfMinute, hashOfSliding},
	})
	want := slices.DeleteFunc(before, func(key string) bool {
		return key == "partition 7" || key == `the place of sink "file"` || strings.HasSuffix(key, "of the rows of epoch 2") ||
			strings.Contains(key, "query 1111") || strings.Contains(key, "query 3333")
	})
	if got := r.keys(); !slices.Equal(got, want) {
		t.Errorf("what is left is\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if s := r.load(); s.Record.Number != 5 || s.OutboxFirst != 3 || s.OutboxLast != 3 {
		t.Errorf("the store is at epoch %d with the rows of %d to %d", s.Record.Number, s.OutboxFirst, s.OutboxLast)
	}
}

// TestCommitKeepsItsOwnRows: an epoch may remove the rows of all before it.
func TestCommitKeepsItsOwnRows(t *testing.T) {
	r := newRoom(t)
	r.fill()
	var e Encoder
	r.commit(&Commit{Last: 4, Record: exampleRecord(5), KeepFrom: 5, Blocks: [][]byte{e.AppendBlock(nil, manyRows(2))}})
	if s := r.load(); s.OutboxFirst != 5 || s.OutboxLast != 5 {
		t.Errorf("rows of epochs %d to %d are left, want those of 5", s.OutboxFirst, s.OutboxLast)
	}
}

func TestCommitRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		commit Commit
		want   string
	}{
		"a gap":              {Commit{Last: 3, Record: Record{Number: 5}}, "epoch 5: it would follow epoch 3"},
		"the same again":     {Commit{Last: 5, Record: Record{Number: 5}}, "epoch 5: it would follow epoch 5"},
		"a header later":     {Commit{Last: 4, Record: Record{Number: 5}, Header: exampleHeader()}, "epoch 5: a header belongs to the first epoch and to no other"},
		"no header":          {Commit{Record: Record{Number: 1}}, "epoch 1: a header belongs to the first epoch and to no other"},
		"its own rows":       {Commit{Last: 4, Record: Record{Number: 5}, KeepFrom: 6}, "epoch 5: its rows would go at once: only those from epoch 6 on are kept"},
		"a place ahead":      {Commit{Last: 4, Record: Record{Number: 5}, Places: []Place{{Sink: "s", Epoch: 6}}}, `epoch 5: sink "s" cannot be at epoch 6`},
		"a place of nothing": {Commit{Last: 4, Record: Record{Number: 5}, Places: []Place{{Epoch: 1}}}, `epoch 5: sink "" cannot be at epoch 1`},
	} {
		var b state.Batch
		if err := c.commit.AppendTo(&b); fmt.Sprint(err) != c.want || b.Len() > 0 {
			t.Errorf("%s: %d operations and %v, want %s", name, b.Len(), err, c.want)
		}
	}
}
