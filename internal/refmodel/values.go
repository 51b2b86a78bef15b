package refmodel

import (
	"fmt"
	"math"
	"math/big"
	"sort"
	"strings"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
)

// aggregator computes one aggregate from a list of events.
type aggregator struct {
	aggregate.Spec
	where condition
	// asks is set for count(comparison).
	asks condition
}

func newAggregators(specs []aggregate.Spec) ([]aggregator, error) {
	var all []aggregator
	for _, s := range specs {
		a := aggregator{Spec: s}
		var err error
		if a.where, err = parseCondition(s.Where); err != nil {
			return nil, fmt.Errorf("aggregate %s: %w", s.Name, err)
		}
		if s.Func == "count" && strings.ContainsAny(s.Arg, "=<>!") {
			if a.asks, err = parseCondition(s.Arg); err != nil {
				return nil, fmt.Errorf("aggregate %s: %w", s.Name, err)
			}
		}
		if !a.known() {
			return nil, fmt.Errorf("aggregate %s: no function %q", s.Name, s.Func)
		}
		all = append(all, a)
	}
	return all, nil
}

func (a aggregator) known() bool {
	switch a.Func {
	case "count", "distinct", "first", "last", "rate", "top_k":
		return true
	}
	return a.numeric()
}

// numeric functions take JSON numbers; the others take any scalar.
func (a aggregator) numeric() bool {
	switch a.Func {
	case "sum", "avg", "min", "max", "stddev", "stddev_samp", "variance", "var_samp", "percentile":
		return true
	}
	return false
}

// wrongType says whether the query cannot compute on the event.
func (q *running) wrongType(fields map[string]event.Value) bool {
	for _, k := range q.Key {
		if !fields[k.Expr].Kind.IsScalar() {
			return true
		}
	}
	for _, a := range q.aggs {
		kind := fields[a.Arg].Kind
		switch {
		case a.asks != nil || a.Arg == "" || kind == event.Null:
		case !a.where(fields): // the aggregate does not compute on it
		case a.numeric() && !kind.IsNumber(), !kind.IsScalar():
			return true
		}
	}
	return false
}

// value computes the aggregate. "A null or missing field is skipped by the
// aggregate that reads it and only by that; an aggregate of nothing is null
// (count: 0)."
func (a aggregator) value(content []arrival, seconds float64) Want {
	rows := a.rows(content)
	switch {
	case a.Func == "count":
		return exactly(event.Float(float64(len(rows))))
	case len(rows) == 0:
		return exactly(event.Value{})
	case a.Func == "rate":
		if seconds == 0 {
			return exactly(event.Value{})
		}
		return exactly(event.Float(float64(len(rows)) / seconds))
	case a.Func == "distinct":
		return exactly(event.Float(float64(len(a.tally(rows)))))
	case a.Func == "top_k":
		return Want{top: a.tally(rows), k: int(a.Param)}
	case a.Func == "first", a.Func == "last":
		return a.endmost(rows)
	case a.Func == "percentile":
		return percentile(a.numbers(rows), a.Param)
	default:
		return exactly(event.Float(a.moment(a.numbers(rows))))
	}
}

// rows are the events that the aggregate reads.
func (a aggregator) rows(content []arrival) []arrival {
	var rows []arrival
	for _, e := range content {
		switch {
		case !a.where(e.Fields):
		case a.asks != nil && !a.asks(e.Fields):
		case a.asks == nil && a.Arg != "" && e.Fields[a.Arg].Kind == event.Null:
		default:
			rows = append(rows, e)
		}
	}
	return rows
}

func (a aggregator) numbers(rows []arrival) []float64 {
	all := make([]float64, len(rows))
	for i, e := range rows {
		all[i] = e.Fields[a.Arg].Num
	}
	sort.Float64s(all)
	return all
}

func (a aggregator) tally(rows []arrival) map[string]int {
	counts := map[string]int{}
	for _, e := range rows {
		counts[Identity(e.Fields[a.Arg])]++
	}
	return counts
}

// endmost: "first, last (by event time, then offset)", "ties of first and last
// go by arrival".
func (a aggregator) endmost(rows []arrival) Want {
	best := rows[0]
	for _, e := range rows {
		earlier := e.Time < best.Time
		later := e.Time > best.Time || (e.Time == best.Time && e.seq > best.seq)
		if (a.Func == "first" && earlier) || (a.Func == "last" && later) {
			best = e
		}
	}
	w := exactly(best.Fields[a.Arg])
	for _, e := range rows {
		if e.Time == best.Time {
			w.ties = append(w.ties, e.Fields[a.Arg])
		}
	}
	return w
}

// percentile is the bracket of "the values at the neighbouring ranks of
// p(n−1)/100".
func percentile(sorted []float64, p float64) Want {
	rank := p * float64(len(sorted)-1) / 100
	last := len(sorted) - 1
	lo, hi := min(int(math.Floor(rank)), last), min(int(math.Ceil(rank)), last)
	return Want{bracket: true, lo: sorted[lo], hi: sorted[hi]}
}

// moment computes what is made of sums, with 200 bits.
func (a aggregator) moment(all []float64) float64 {
	sum := wide(0)
	for _, x := range all {
		sum.Add(sum, wide(x))
	}
	n := wide(float64(len(all)))
	mean := wide(0).Quo(sum, n)
	squares := wide(0)
	for _, x := range all {
		d := wide(0).Sub(wide(x), mean)
		squares.Add(squares, d.Mul(d, d))
	}
	population, _ := wide(0).Quo(squares, n).Float64()
	m2, _ := squares.Float64()
	sample := m2 / float64(len(all)-1) // NaN, so null, for one value
	switch a.Func {
	case "sum":
		return narrow(sum)
	case "avg":
		return narrow(mean)
	case "min":
		return all[0]
	case "max":
		return all[len(all)-1]
	case "variance":
		return population
	case "stddev":
		return math.Sqrt(population)
	case "var_samp":
		return sample
	default:
		return math.Sqrt(sample)
	}
}

func wide(x float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(x) }

func narrow(x *big.Float) float64 {
	f, _ := x.Float64()
	return f
}
