package expr

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

const benchRows = 4096

// benchBatch has columns a (one of five types), b (latencies, every tenth
// null), c (numbers) and m.x (models).
func benchBatch() *event.Batch {
	types := []string{"performance_metrics", "performance_metrics", "user_feedback", "error_reports", "security_incidents"}
	var rows [][]event.Value
	state := uint32(1)
	for i := range benchRows {
		state = state*1664525 + 1013904223
		row := []event.Value{
			event.Text(types[state>>16%5]), num(float64(state >> 20)), num(float64(i)), event.Text(fmt.Sprintf("Model-%d", state>>28)),
		}
		if i%10 == 0 {
			row[1] = null
		}
		rows = append(rows, row)
	}
	return newBatch(rows, []Use{useBoth, useBoth, useBoth, useBoth})
}

var benchFilters = []string{
	`a == "performance_metrics"`,
	`a == "performance_metrics" && b > 0`,
	`b > 2000`,
	`b != null`,
	`a in ["user_feedback", "error_reports"]`,
	`a == "user_feedback" || b > 2000`,
	`!(b > 2000)`,
	`b < c`,
	`b + c > 3000`,
	`a startsWith "perf"`,
	`a matches "^perf"`,
	`lower(m.x) == "model-3"`,
}

var benchValues = []string{
	`b + c`,
	`b * 0.001 + c`,
	`coalesce(b, c, 0)`,
	`b > 2000 ? b : c`,
	`min(b, c)`,
	`coalesce(a, m.x, "unknown")`,
	`lower(m.x)`,
	`a + m.x`,
	`b > 2000`,
}

func BenchmarkFilter(b *testing.B) {
	for _, src := range benchFilters {
		b.Run(src, func(b *testing.B) {
			batch, p := benchBatch(), mustCompile(b, mustParse(b, src), Use{})
			sel := AllRows(batch.N, nil)
			var dst []int32
			b.ReportAllocs()
			for b.Loop() {
				dst = p.Filter(batch, sel, dst[:0])
			}
			perRow(b)
		})
	}
}

func BenchmarkEval(b *testing.B) {
	for _, src := range benchValues {
		b.Run(src, func(b *testing.B) {
			batch, p := benchBatch(), mustCompile(b, mustParse(b, src), useBoth)
			extra := len(batch.Extra)
			var out event.Column
			b.ReportAllocs()
			for b.Loop() {
				batch.Extra = batch.Extra[:extra]
				p.Eval(batch, &out)
			}
			perRow(b)
		})
	}
}

func perRow(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		mustParse(b, `type == "performance_metrics" && latency_ms > 0`)
	}
}

func TestNoAllocationOnceWarm(t *testing.T) {
	batch := benchBatch()
	extra := len(batch.Extra)
	sel := AllRows(batch.N, nil)
	for _, src := range append(benchFilters, benchValues...) {
		if strings.Contains(src, "matches") {
			continue // regexp has its own pool, which the race detector drains
		}
		p := mustCompile(t, mustParse(t, src), useBoth)
		var out event.Column
		var dst []int32
		allocs := testing.AllocsPerRun(3, func() {
			batch.Extra = batch.Extra[:extra]
			p.Eval(batch, &out)
			dst = p.Filter(batch, sel, dst[:0])
		})
		if allocs > 0 {
			t.Errorf("%s: %v allocations for a batch", src, allocs)
		}
	}
}
