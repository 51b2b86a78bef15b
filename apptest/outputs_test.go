package apptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var outputs = []string{"results.jsonl", "late.jsonl", "dead.jsonl"}

// compareExactly wants two sites to have put out the same results in the same
// order, and the same late events and dead letters: of those, several that one
// read of a file holds come query by query.
func compareExactly(t testing.TB, want, have *site) {
	t.Helper()
	const name = "results.jsonl"
	compareText(t, name, settle(want.read(t, name)), settle(have.read(t, name)))
	compareLines(t, "late.jsonl", want, have)
	compareLines(t, "dead.jsonl", want, have)
}

// emittedAt is the one part of a row that no two runs have in common.
var emittedAt = regexp.MustCompile(`,"emitted_at":"[^"]*"`)

// free are the queries whose rows come in no special order when one event lets
// several fire: those of shared panes and of sessions.
var free = []string{`"query":"sliding",`, `"query":"session",`}

// settle puts the rows that one event brings about into an order, which they do
// not have by themselves where the query is free. Such rows have their watermark
// in common.
func settle(text string) string {
	lines := strings.SplitAfter(emittedAt.ReplaceAllString(text, ""), "\n")
	watermark := func(line string) string { return line[strings.LastIndex(line, `"watermark"`)+1:] }
	isFree := func(line string) bool {
		return slices.ContainsFunc(free, func(q string) bool { return strings.Contains(line, q) })
	}
	for from := 0; from < len(lines); {
		to := from + 1
		for to < len(lines) && watermark(lines[to]) == watermark(lines[from]) {
			to++
		}
		slices.SortStableFunc(lines[from:to], func(a, b string) int {
			switch x, y := isFree(a), isFree(b); {
			case x && y:
				return strings.Compare(a, b)
			case x:
				return 1
			case y:
				return -1
			}
			return 0
		})
		from = to
	}
	return strings.Join(lines, "")
}

// compareText wants two outputs to be the same.
func compareText(t testing.TB, name, want, have string) {
	t.Helper()
	if want == have {
		return
	}
	a, b := strings.SplitAfter(want, "\n"), strings.SplitAfter(have, "\n")
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	missing, surplus := difference(a, b)
	t.Errorf("seed %d: %s: %d lines, want %d; %d are missing and %d too many; they part at line %d:\n%s%s",
		*seed, name, len(b)-1, len(a)-1, len(missing), len(surplus), at+1, some("want ", a[at:]), some("have ", b[at:]))
}

// some shows the first of many lines.
func some(prefix string, lines []string) (text string) {
	for _, line := range lines[:min(len(lines), 3)] {
		text += fmt.Sprintf("%s%.400s\n", prefix, strings.TrimSuffix(line, "\n"))
	}
	return text
}

// difference returns the lines that only one of two outputs has, or has more
// often.
func difference(want, have []string) (missing, surplus []string) {
	count := map[string]int{}
	for _, line := range want {
		count[line]++
	}
	for _, line := range have {
		if count[line]--; count[line] < 0 {
			surplus = append(surplus, line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(count)) {
		for range count[line] {
			missing = append(missing, line)
		}
	}
	return missing, surplus
}

// compareLines wants two sites to have put out the same lines, in any order.
func compareLines(t testing.TB, name string, want, have *site) {
	t.Helper()
	missing, surplus := difference(strings.SplitAfter(want.read(t, name), "\n"), strings.SplitAfter(have.read(t, name), "\n"))
	if len(missing)+len(surplus) > 0 {
		t.Errorf("seed %d: %s: %d lines are missing and %d too many\n%s%s",
			*seed, name, len(missing), len(surplus), some("missing ", missing), some("surplus ", surplus))
	}
}

// row is a result as it is written.
type row struct {
	ID       string
	WindowID string `json:"window_id"`
	Query    string
	Key      json.RawMessage
	Start    string `json:"window_start"`
	End      string `json:"window_end"`
	Timing   string
	Firing   int
	Partial  bool
	Values   json.RawMessage

	line string
}

// window names the row's window. A session's id may be that of any session it
// has grown from, depending on when those fired, so it is not part of it.
func (r *row) window() string {
	return fmt.Sprint(r.Query, " ", string(r.Key), " [", r.Start, ", ", r.End, ")")
}

func parseRows(t testing.TB, text string) (rows []row) {
	t.Helper()
	for line := range strings.Lines(text) {
		r := row{line: line}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q is no result: %v", line, err)
		}
		rows = append(rows, r)
	}
	return rows
}

// compareWindows wants two sites to end with the same windows, however often
// each has fired: the last row of each window is the same, or what its rows hold
// together for the queries named, which discard. In the rows of have no id comes
// twice, and the firings of each window have no gaps.
func compareWindows(t testing.TB, want, have *site, discarding ...string) {
	t.Helper()
	rows := parseRows(t, have.read(t, "results.jsonl"))
	checkFirings(t, rows)
	compareEnds(t, ends(t, parseRows(t, want.read(t, "results.jsonl")), discarding), ends(t, rows, discarding))
}

func compareEnds(t testing.TB, want, have map[string]string) {
	t.Helper()
	wrong := 0
	for _, w := range slices.Sorted(maps.Keys(want)) {
		if have[w] == want[w] {
			continue
		}
		if wrong++; wrong <= 5 {
			t.Errorf("seed %d: %s ends with %q, want %q", *seed, w, have[w], want[w])
		}
	}
	for _, w := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[w]; ok {
			continue
		}
		if wrong++; wrong <= 5 {
			t.Errorf("seed %d: no such window: %s with %q", *seed, w, have[w])
		}
	}
	if wrong > 5 {
		t.Errorf("seed %d: %d windows of %d are wrong in all", *seed, wrong, len(want))
	}
}

// ends returns what every window holds in the end.
func ends(t testing.TB, rows []row, discarding []string) map[string]string {
	t.Helper()
	end := map[string]string{}
	last := map[string]*row{} // by id
	sums := map[string]map[string]float64{}
	for i := range rows {
		r := &rows[i]
		if !slices.Contains(discarding, r.Query) {
			last[r.WindowID] = r
			continue
		}
		var v map[string]float64
		if err := json.Unmarshal(r.Values, &v); err != nil {
			t.Fatalf("%s: %v", r.line, err)
		}
		if sums[r.window()] == nil {
			sums[r.window()] = map[string]float64{}
		}
		for name, x := range v {
			sums[r.window()][name] += x
		}
	}
	for _, r := range last {
		if r.Timing == "retract" {
			continue
		}
		if end[r.window()] != "" {
			t.Errorf("seed %d: two sessions are one window: %s", *seed, r.line)
		}
		end[r.window()] = string(r.Values)
	}
	for w, s := range sums {
		end[w] = fmt.Sprint(s)
	}
	return end
}

// checkFirings wants every id once, and each window's firings to count from 0.
func checkFirings(t testing.TB, rows []row) {
	t.Helper()
	next := map[string]int{}
	wrong := 0
	for _, r := range rows {
		if next[r.WindowID] != r.Firing || r.ID != fmt.Sprintf("%s-%d", r.WindowID, r.Firing) {
			if wrong++; wrong <= 5 {
				t.Errorf("seed %d: firing %d of its window comes where %d should: %s", *seed, r.Firing, next[r.WindowID], r.line)
			}
		}
		next[r.WindowID] = r.Firing + 1
	}
}

// report is what `state inspect` says of a state at rest.
type report struct {
	Epoch      uint64
	Queries    []map[string]any
	Partitions []map[string]any
}

func (s *site) inspect(t testing.TB) (r report) {
	t.Helper()
	s.looking.Lock()
	defer s.looking.Unlock()
	var complaint bytes.Buffer
	c := exec.Command(s.program, "state", "inspect", "--json", "--path", s.state())
	c.Stderr = &complaint
	text, err := c.Output()
	if err != nil {
		t.Fatalf("state inspect: %v\n%s", err, &complaint)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// places are the partitions and how far they were read. Their numbers are those
// in which they were first recorded, which a crash may change.
func (r report) places() string {
	var all []string
	for _, p := range r.Partitions {
		delete(p, "id")
		all = append(all, fmt.Sprint(p))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// ledgers are what each query has counted. The rows that were made are left out:
// how often windows fire with periodic firings is a matter of time.
func (r report) ledgers() (text string) {
	for _, q := range r.Queries {
		ledger := q["ledger"].(map[string]any)
		delete(ledger, "results")
		text += fmt.Sprintln(q["name"], ledger, q["windows"], q["keys"])
	}
	return text
}

// atEnd is what the state of a site holds on which nothing runs any more: it is
// looked at once, though many others are compared with it.
func (s *site) atEnd(t testing.TB) (ledgers, places string) {
	t.Helper()
	s.once.Do(func() {
		r := s.inspect(t)
		s.ledgers, s.places = r.ledgers(), r.places()
	})
	return s.ledgers, s.places
}

// compareLedgers wants two states to have counted the same, and to stand at the
// same place.
func compareLedgers(t testing.TB, want, have *site) {
	t.Helper()
	ledgers, places := want.atEnd(t)
	r := have.inspect(t)
	if x, y := ledgers, r.ledgers(); x != y {
		t.Errorf("seed %d: the ledgers are\n%s, want\n%s", *seed, y, x)
	}
	if x, y := places, r.places(); x != y {
		t.Errorf("seed %d: the state ends at %s, want %s", *seed, y, x)
	}
}
