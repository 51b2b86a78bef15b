package aggregate

import (
	"bytes"
	"math"
	"math/big"
	"slices"
	"sort"
	"strconv"

	"github.com/llm-optimizer/processor/event"
)

// refRow is a row as the reference sees it.
type refRow struct {
	time, offset int64
	arg          event.Value
	where        bool
}

// reference computes an aggregate the slow and obvious way.
func reference(s Spec, rows []refRow, seconds float64) event.Value {
	var kept []refRow
	for _, r := range rows {
		if s.Where == "" || r.where {
			kept = append(kept, r)
		}
	}
	switch s.Func {
	case "rate":
		return event.Float(float64(len(kept)) / seconds)
	case "count":
		return event.Int(refCount(s, kept))
	}
	kept = slices.DeleteFunc(kept, func(r refRow) bool { return r.arg.Kind == event.Null })
	if len(kept) == 0 {
		return event.Value{}
	}
	switch s.Func {
	case "distinct":
		return event.Int(int64(len(refCounts(kept))))
	case "first", "last":
		return refEdge(s.Func, kept)
	case "top_k":
		return refTop(kept, int(s.Param))
	}
	var x []float64
	for _, r := range kept {
		x = append(x, r.arg.Num)
	}
	return refNumeric(s, x)
}

func refCount(s Spec, rows []refRow) int64 {
	n := int64(0)
	for _, r := range rows {
		switch {
		case s.Arg == "", s.Boolean && r.arg.Kind == event.True, !s.Boolean && r.arg.Kind != event.Null:
			n++
		}
	}
	return n
}

func refEdge(fn string, rows []refRow) event.Value {
	sort.SliceStable(rows, func(i, j int) bool {
		a, b := rows[i], rows[j]
		return a.time < b.time || a.time == b.time && a.offset < b.offset
	})
	if fn == "first" {
		return rows[0].arg
	}
	return rows[len(rows)-1].arg
}

func refKey(v event.Value) string { return string(event.AppendKeyValue(nil, v)) }

func refCounts(rows []refRow) map[string]int {
	counts := map[string]int{}
	for _, r := range rows {
		counts[refKey(r.arg)]++
	}
	return counts
}

func refTop(rows []refRow, k int) event.Value {
	counts := refCounts(rows)
	var keys []string
	for key := range counts {
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool {
		if a, b := counts[keys[i]], counts[keys[j]]; a != b {
			return a > b
		}
		return keys[i] < keys[j]
	})
	var out bytes.Buffer
	out.WriteByte('[')
	for i, key := range keys[:min(k, len(keys))] {
		if i > 0 {
			out.WriteByte(',')
		}
		v, err := event.KeyFields(nil, []byte(key), 1)
		if err != nil {
			panic(err)
		}
		out.WriteString(`{"value":` + text(v[0]) + `,"count":` + strconv.Itoa(counts[key]) + `}`)
	}
	out.WriteByte(']')
	return event.JSONValue(out.String())
}

func refNumeric(s Spec, x []float64) event.Value {
	slices.Sort(x)
	n := len(x)
	switch s.Func {
	case "min":
		return event.Float(x[0])
	case "max":
		return event.Float(x[n-1])
	case "sum":
		f, _ := bigSum(x).Float64()
		return event.Float(f)
	case "avg":
		f, _ := new(big.Float).Quo(bigSum(x), bigFloat(float64(n))).Float64()
		return event.Float(f)
	case "percentile":
		lo, hi := refPercentile(x, s.Param)
		if n > rawMax {
			panic("use percentileBound")
		}
		part := s.Param*float64(n-1)/100 - math.Floor(s.Param*float64(n-1)/100)
		if lo == hi {
			part = 0
		}
		return event.Float(lo*(1-part) + hi*part)
	}
	by := n
	if s.Func == "var_samp" || s.Func == "stddev_samp" {
		by = n - 1
	}
	if by == 0 {
		return event.Value{}
	}
	v := refVariance(x, by)
	if s.Func == "stddev" || s.Func == "stddev_samp" {
		v = math.Sqrt(v)
	}
	return event.Float(v)
}

func bigFloat(f float64) *big.Float { return new(big.Float).SetPrec(2300).SetFloat64(f) }

func bigSum(x []float64) *big.Float {
	sum := bigFloat(0)
	for _, f := range x {
		sum.Add(sum, bigFloat(f))
	}
	return sum
}

func refVariance(x []float64, by int) float64 {
	mean := new(big.Float).Quo(bigSum(x), bigFloat(float64(len(x))))
	m2 := bigFloat(0)
	for _, f := range x {
		d := new(big.Float).Sub(bigFloat(f), mean)
		m2.Add(m2, d.Mul(d, d))
	}
	v, _ := m2.Quo(m2, bigFloat(float64(by))).Float64()
	return v
}

// refPercentile is the values at the ranks next to p(n-1)/100.
func refPercentile(sorted []float64, p float64) (lo, hi float64) {
	rank := p * float64(len(sorted)-1) / 100
	return sorted[int(math.Floor(rank))], sorted[int(math.Ceil(rank))]
}

// within reports whether v is within 1 % of the values lo and hi, or between
// them. The slack is a few units in the last place.
func within(v, lo, hi float64) bool {
	const rel = accuracy * (1 + 1e-9)
	return v >= lo-rel*math.Abs(lo) && v <= hi+rel*math.Abs(hi)
}
