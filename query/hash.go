package query

import (
	"fmt"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Definition is the query as canonical text: what decides its results, and
// nothing else. Queries with one definition compute the same.
func (q Query) Definition() string {
	var b strings.Builder
	fmt.Fprintf(&b, "where %s\n", q.Where)
	for _, k := range q.Key {
		fmt.Fprintf(&b, "key %q = %s\n", k.Name, k.Expr)
	}
	w := q.Window
	fmt.Fprintf(&b, "window %s size %d slide %d gap %d offset %d unit %s zone %s\n", w.Kind, w.Size, w.Slide, w.Gap, w.Offset, w.Unit, w.Zone)
	fmt.Fprintf(&b, "lateness %d count %d every %d on_time %t %s\n", q.AllowedLateness, q.Trigger.Count, q.Trigger.Every, !q.Trigger.NoOnTime, q.Accumulation)
	for _, a := range q.Aggregates {
		fmt.Fprintf(&b, "aggregate %q = %s\n", a.Name, a)
	}
	return b.String()
}

// Hash identifies the query in a pipeline's state and results: it changes with
// the pipeline's name, the query's name and its definition (xxHash64).
func (q Query) Hash(pipeline string) uint64 {
	return xxhash.Sum64String(fmt.Sprintf("%q %q\n%s", pipeline, q.Name, q.Definition()))
}
