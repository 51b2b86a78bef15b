package epoch

import (
	"errors"
	"fmt"
	"testing"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/state"
)

// What is in a block is told without reading its rows.
func TestContents(t *testing.T) {
	var e Encoder
	var d Decoder
	a, b := &result.Query{Name: "a"}, &result.Query{Name: "b", Functions: []result.Function{{Name: "count"}}}
	for want, batch := range map[string]*result.Batch{
		"[] 0 0":    {},
		"[a] 0 0":   {Results: []result.Result{{Query: a}, {Query: a}}},
		"[b a] 0 0": {Results: []result.Result{{Query: b}, {Query: a}}},
		"[] 1 2":    {Late: make([]result.LateEvent, 1), Dead: make([]result.DeadLetter, 2)},
	} {
		c, err := d.Contents(e.AppendBlock(nil, batch))
		if got := fmt.Sprint(c.Queries, c.Late, c.Dead); err != nil || got != want {
			t.Errorf("contents %s, %v, want %s", got, err, want)
		}
	}
	for _, payload := range [][]byte{nil, {9}, {packedNot}, {packedNot, 5, 0, 0, 0, 0, 0, 0, 0, 0}, {packedNot, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7}} {
		if _, err := d.Contents(payload); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("%x: error %v", payload, err)
		}
	}
}
