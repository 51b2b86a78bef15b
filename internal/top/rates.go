package top

import (
	"math"

	"github.com/llm-optimizer/processor/pipeline"
)

// rates are how much counters grew between two answers, a second. Those that
// are not known are NaN.
type rates struct {
	events, results float64
	// read and fired are of queries, records of partitions, rows of sinks.
	read, fired, records, rows map[string]float64
}

// ratesBetween compares two answers of one run. Between those of two runs, and
// without a first one, nothing is known.
func ratesBetween(before, after *pipeline.Status) rates {
	r := rates{
		events: math.NaN(), results: math.NaN(),
		read: map[string]float64{}, fired: map[string]float64{}, records: map[string]float64{}, rows: map[string]float64{},
	}
	if before == nil || before.Name != after.Name || !before.Started.Equal(after.Started) {
		return r
	}
	passed := after.Now.Sub(before.Now).Seconds()
	if passed <= 0 {
		return r
	}
	grown := func(from, to int64) float64 { return float64(max(to-from, 0)) / passed }
	r.events = grown(before.Events+before.Dead, after.Events+after.Dead)
	r.results = 0
	for i := range after.Queries {
		q := &after.Queries[i]
		for j := range before.Queries {
			if b := &before.Queries[j]; b.Name == q.Name {
				r.read[q.Name] = grown(b.Ledger.Read, q.Ledger.Read)
				r.fired[q.Name] = grown(resultsOf(b), resultsOf(q))
				r.results += r.fired[q.Name]
			}
		}
	}
	earlier := make(map[string]int64, len(before.Partitions))
	for i := range before.Partitions {
		earlier[before.Partitions[i].Name] = before.Partitions[i].Events
	}
	for i := range after.Partitions {
		if from, ok := earlier[after.Partitions[i].Name]; ok {
			r.records[after.Partitions[i].Name] = grown(from, after.Partitions[i].Events)
		}
	}
	for i := range after.Sinks {
		for j := range before.Sinks {
			if before.Sinks[j].Name == after.Sinks[i].Name {
				r.rows[after.Sinks[i].Name] = grown(before.Sinks[j].Rows, after.Sinks[i].Rows)
			}
		}
	}
	return r
}

// of is a rate by name, NaN if it is not known.
func of(m map[string]float64, name string) float64 {
	if v, ok := m[name]; ok {
		return v
	}
	return math.NaN()
}

// resultsOf counts a query's rows of this run.
func resultsOf(q *pipeline.QueryStatus) (n int64) {
	for _, k := range q.Results {
		n += k
	}
	return n
}
