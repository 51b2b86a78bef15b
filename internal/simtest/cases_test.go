package simtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/refmodel"
	"github.com/llm-optimizer/processor/result"
)

// caseRow is a row from any of the sides that a case compares.
type caseRow struct {
	key, start, end string
	timing          string
	firing          int
	// allows says whether the value of that name may be so.
	allows func(name string, want event.Value, bracket *[2]float64) bool
	want   expectedRow
}

// ranked names the rows by key, window and their rank among its firings: a
// session that grew counts on, so the numbers themselves may differ.
func ranked(rows []caseRow) map[string]caseRow {
	slices.SortStableFunc(rows, func(a, b caseRow) int { return cmp.Compare(a.firing, b.firing) })
	counts, all := map[string]int{}, map[string]caseRow{}
	for _, r := range rows {
		if r.timing == "retract" {
			continue
		}
		w := fmt.Sprintf("%s [%s, %s)", r.key, r.start, r.end)
		all[fmt.Sprintf("%s firing %d", w, counts[w])] = r
		counts[w]++
	}
	return all
}

func expectedRows(t *testing.T, dir string) []caseRow {
	var all []caseRow
	for _, e := range readLines[expectedRow](t, filepath.Join(dir, "expected.jsonl")) {
		all = append(all, caseRow{
			key: canonical(e.Key), start: orNull(e.WindowStart), end: orNull(e.WindowEnd),
			timing: e.Timing, firing: e.Firing, want: e,
		})
	}
	return all
}

func orNull(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

func modelRows(c caseSpec, out *refmodel.Outcome) []caseRow {
	var all []caseRow
	for _, r := range out.Rows {
		q := c.spec.Queries[0]
		names := map[string]refmodel.Want{}
		for i, w := range r.Values {
			names[q.Aggregates[i].Name] = w
		}
		key := []byte{'{'}
		for i, k := range q.Key {
			if i > 0 {
				key = append(key, ',')
			}
			key = r.Key[i].AppendJSON(append(event.AppendString(key, k.Name), ':'))
		}
		all = append(all, caseRow{
			key: canonical(append(key, '}')), start: bound(r.Start), end: bound(r.End),
			timing: r.Timing.String(), firing: int(r.Firing),
			allows: func(name string, want event.Value, _ *[2]float64) bool {
				return names[name].Allows(want, false)
			},
		})
	}
	return all
}

func engineRows(rows []result.Result) []caseRow {
	var all []caseRow
	for _, r := range rows {
		all = append(all, caseRow{
			key: canonical([]byte(r.KeyJSON)), start: bound(r.Start), end: bound(r.End),
			timing: r.Timing.String(), firing: int(r.Firing),
			allows: func(name string, want event.Value, bracket *[2]float64) bool {
				i := slices.Index(r.Query.Values, name)
				if i < 0 {
					return false
				}
				if bracket != nil {
					return refmodel.Between(bracket[0], bracket[1]).Allows(r.Values[i], false)
				}
				return refmodel.Exactly(want).Allows(r.Values[i], false)
			},
		})
	}
	return all
}

func compareCase(t *testing.T, expected, actual []caseRow) {
	t.Helper()
	want, got := ranked(expected), ranked(actual)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		e, a := want[name], got[name]
		if a.allows == nil {
			t.Errorf("missing %s", name)
			continue
		}
		if e.timing != a.timing {
			t.Errorf("%s: timing is %s, not %s", name, a.timing, e.timing)
		}
		for value, raw := range e.want.Values {
			v, err := refmodel.ParseValue(raw)
			if err != nil {
				t.Fatal(err)
			}
			var bracket *[2]float64
			if b, ok := e.want.Brackets[value]; ok {
				bracket = &b
			}
			if !a.allows(value, v, bracket) {
				t.Errorf("%s: %s is not %s", name, value, raw)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if want[name].timing == "" {
			t.Errorf("not expected: %s", name)
		}
	}
}

func compareLate(t *testing.T, dir string, got [][]byte) {
	t.Helper()
	var want, have []string
	for _, l := range readLines[struct{ Event json.RawMessage }](t, filepath.Join(dir, "expected-late.jsonl")) {
		want = append(want, canonical(l.Event))
	}
	for _, raw := range got {
		have = append(have, canonical(raw))
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) {
		t.Errorf("late events are\n%q, not\n%q", have, want)
	}
}

func forEachCase(t *testing.T, check func(t *testing.T, dir string)) {
	dirs, err := filepath.Glob("testdata/cases/*/case.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range dirs {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) { check(t, dir) })
	}
}

// The reference model gives the rows that another engine gave.
func TestModelOnCases(t *testing.T) {
	forEachCase(t, func(t *testing.T, dir string) {
		c := loadCase(t, dir)
		out, err := refmodel.Run(refmodel.Program{
			Queries: c.spec.Queries, OutOfOrderness: int64(c.spec.Watermark.MaxOutOfOrderness),
		}, c.steps(t))
		if err != nil {
			t.Fatal(err)
		}
		compareCase(t, expectedRows(t, dir), modelRows(c, out))
		var late [][]byte
		for _, l := range out.Late {
			late = append(late, l.Raw)
		}
		compareLate(t, dir, late)
	})
}

// So does the engine, in chunks of several sizes.
func TestEngineOnCases(t *testing.T) {
	for _, size := range []int{1, 7, 1000} {
		t.Run(fmt.Sprintf("chunks of %d", size), func(t *testing.T) {
			forEachCase(t, func(t *testing.T, dir string) {
				c := loadCase(t, dir)
				src := &Source{}
				for p, data := range c.partitions {
					src.Feeds = append(src.Feeds, NewFeed(fmt.Sprintf("p%d", p), Lines(data), size))
				}
				c.spec.Source = src
				run := execute(t, c.spec)
				compareCase(t, expectedRows(t, dir), engineRows(run.Rows))
				var late [][]byte
				for _, l := range run.Late {
					late = append(late, l.Event)
				}
				compareLate(t, dir, late)
				for _, l := range run.Summary.Queries {
					if err := l.Check(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}
