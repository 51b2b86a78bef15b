package server

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/llm-optimizer/processor/result"
)

// What is kept of each query, and how many rows a second are looked at: beyond
// that nobody could read them, and the pipeline has better things to do.
const (
	maxRows     = 10_000
	maxBytes    = 8 << 20
	rowOverhead = 96
	rowsASecond = 2_000
)

// Recent keeps the last results of each query, and hands them to streams as
// they come. Its method Results is a hook of pipeline.Observer.
type Recent struct {
	now func() time.Time

	mu      sync.Mutex
	queries map[string]*ring
	// skipped counts rows that the pipeline did not show, of whatever query.
	skipped int64
	hub     hub
}

// NewRecent makes an empty one.
func NewRecent() *Recent {
	return &Recent{now: time.Now, queries: map[string]*ring{}}
}

// row is a result: its native JSON, its key's, and when it was made.
type row struct {
	query, key string
	json       []byte
	at         int64
}

// Results takes rows over, at most a certain number a second of each query. It
// does not wait, and keeps no part of what it is given.
func (r *Recent) Results(rows []result.Result, skipped int) {
	taken, ignored := r.choose(rows, skipped)
	made := make([]row, 0, len(taken))
	var text []byte
	for _, i := range taken {
		from := &rows[i]
		text = from.AppendJSON(text[:0], true)
		// The texts of rows are shared by a batch, which one must not hold.
		made = append(made, row{from.Query.Name, strings.Clone(from.KeyJSON), slices.Clone(text), from.EmittedAt})
	}
	r.mu.Lock()
	for i := range made {
		r.queries[made[i].query].add(made[i])
	}
	r.mu.Unlock()
	r.hub.publish(made, ignored, skipped)
}

// choose says which rows are within the rate, and counts the others by query.
func (r *Recent) choose(rows []result.Result, skipped int) (taken []int, ignored map[string]int) {
	second := r.now().Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skipped += int64(skipped)
	var of *result.Query
	var q *ring
	for i := range rows {
		if rows[i].Query != of {
			of = rows[i].Query
			q = r.ring(of.Name)
		}
		if q.second != second {
			q.second, q.used = second, 0
		}
		if q.used < rowsASecond {
			q.used++
			taken = append(taken, i)
			continue
		}
		q.dropped++
		if ignored == nil {
			ignored = map[string]int{}
		}
		ignored[of.Name]++
	}
	return taken, ignored
}

// ring is the ring of a query; it makes one for the first row.
func (r *Recent) ring(query string) *ring {
	q := r.queries[query]
	if q == nil {
		q = &ring{}
		r.queries[query] = q
	}
	return q
}

// snapshot is the rows of a query, oldest first, and how many were not kept.
func (r *Recent) snapshot(query string) (rows []row, dropped int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	dropped = r.skipped
	if q := r.queries[query]; q != nil {
		rows = slices.Clone(q.rows[q.first:])
		dropped += q.dropped
	}
	return rows, dropped
}

// rows are the newest of a query, newest last: with the key, if it is not empty,
// and whose key contains a text, in either case.
func (r *Recent) rows(query, key, contains string, limit int) (found [][]byte, dropped int64) {
	all, dropped := r.snapshot(query)
	contains = strings.ToLower(contains)
	for _, row := range slices.Backward(all) {
		if len(found) == limit {
			break
		}
		if (key == "" || row.key == key) && has(row.key, contains) {
			found = append(found, row.json)
		}
	}
	slices.Reverse(found)
	return found, dropped
}

// has reports whether a text contains another, which is in lower case.
func has(text, lower string) bool {
	return lower == "" || strings.Contains(strings.ToLower(text), lower)
}

// keyCount is a key among the rows that are kept.
type keyCount struct {
	Key  json.RawMessage `json:"key"`
	Rows int             `json:"rows"`
	// Last is when its newest row was made.
	Last time.Time `json:"last"`
}

// keys are the distinct keys of the rows of a query, the newest first.
func (r *Recent) keys(query, contains string) []keyCount {
	all, _ := r.snapshot(query)
	contains = strings.ToLower(contains)
	counts := map[string]*keyCount{}
	for i := range all {
		row := &all[i]
		c := counts[row.key]
		if c == nil {
			c = &keyCount{Key: json.RawMessage(row.key)}
			counts[row.key] = c
		}
		c.Rows++
		c.Last = time.Unix(0, row.at).UTC()
	}
	var keys []keyCount
	for key, c := range counts {
		if has(key, contains) {
			keys = append(keys, *c)
		}
	}
	slices.SortFunc(keys, func(a, b keyCount) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(string(a.Key), string(b.Key)))
	})
	return keys
}

// ring is the last rows of a query: rows from first on. What is before is gone
// and moved over when it is half of the slice.
type ring struct {
	rows  []row
	first int
	bytes int
	// second is the last one with rows, used how many of it were taken, dropped
	// how many were not, ever.
	second  int64
	used    int
	dropped int64
}

func (q *ring) add(r row) {
	q.rows = append(q.rows, r)
	q.bytes += r.size()
	for len(q.rows)-q.first > maxRows || q.bytes > maxBytes && len(q.rows) > q.first {
		q.bytes -= q.rows[q.first].size()
		q.rows[q.first] = row{}
		q.first++
	}
	if q.first > maxRows/2 && q.first*2 >= len(q.rows) {
		kept := copy(q.rows, q.rows[q.first:])
		clear(q.rows[kept:])
		q.rows, q.first = q.rows[:kept], 0
	}
}

func (r *row) size() int { return len(r.key) + len(r.json) + rowOverhead }
