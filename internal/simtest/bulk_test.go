package simtest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/pipeline"
)

// Some of what the engine does begins only after many events: it measures what
// combining saves, reuses batches and slots, grows tables.
func TestManyEvents(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape shape
		emits []pipeline.Emit
	}{
		{"one partition", shape{partitions: 1}, []pipeline.Emit{pipeline.Periodic, pipeline.EveryEvent}},
		{"windows without sessions", shape{partitions: 3, everyWindowFires: true, noSessions: true}, []pipeline.Emit{pipeline.Periodic}},
		{"sessions within a partition", shape{partitions: 3, everyWindowFires: true, ownSessionKeys: true}, []pipeline.Emit{pipeline.Periodic}},
		{"sessions over partitions", shape{partitions: 3, everyWindowFires: true, withinBound: true}, []pipeline.Emit{pipeline.Periodic}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(few(t), func(t *rapid.T) {
				p := drawProgram(t, c.shape)
				p.fill(t, c.shape)
				for _, emit := range c.emits {
					s := drawSetting(t, emit)
					s.sizes = rapid.SliceOfN(rapid.SampledFrom([]int{10, 64, 300, 1000, 5000}), 1, 3).Draw(t, "big chunks")
					checkFinal(t, &p, s)
				}
			})
		})
	}
}

// fill replaces the program's events by a few thousand, of keys from one to
// almost as many as there are events.
func (p *program) fill(t *rapid.T, s shape) {
	rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	n := rapid.SampledFrom([]int{500, 2000}).Draw(t, "many")
	keys := rapid.SampledFrom([]int{1, 5, 50, n}).Draw(t, "many keys")
	disorder := rapid.SampledFrom([]int64{1, 8, 40}).Draw(t, "disorder")
	for i := range p.feeds {
		at := p.base
		p.feeds[i] = nil
		for j := range n {
			at += rnd.Int64N(5) / 4
			f := fields{
				i: j + n*i, at: at - rnd.Int64N(disorder)*rnd.Int64N(2),
				key: fmt.Sprintf(`"k%d"`, rnd.IntN(keys)),
				v:   pickText(rnd, `1`, `2.5`, `-7`, `1000`, `null`, ``),
				u:   fmt.Sprintf(`"u%d"`, rnd.IntN(30)), ok: pickText(rnd, `true`, `true`, `false`), tenant: pickText(rnd, `"x"`, `"y"`),
			}
			if s.ownSessionKeys {
				f.key = fmt.Sprintf(`"p%d-%d"`, i, rnd.IntN(keys))
			}
			p.feeds[i] = append(p.feeds[i], p.record(t, f))
		}
	}
	if s.withinBound {
		p.keepWithinBound()
	}
}

func pickText(rnd *rand.Rand, from ...string) string { return from[rnd.IntN(len(from))] }
