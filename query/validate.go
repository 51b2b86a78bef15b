package query

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/window"
)

const (
	// MinEvery is the shortest period of a trigger by processing time.
	MinEvery = time.Millisecond

	maxNameBytes = 63
)

// reservedColumns are the columns that every result has in a table of its own.
var reservedColumns = []string{"query", "window_id", "window_start", "window_end", "timing", "firing"}

// Validate returns everything that is wrong with the query by itself, in the
// order of its fields; nil means it can be planned.
func (q *Query) Validate() []Problem {
	var v validator
	v.name("name", q.Name)
	if strings.TrimSpace(q.Where) != "" {
		v.note(CheckCondition("where", q.Where))
	}
	v.key(q.Key)
	v.window(q.Window)
	v.length("allowed_lateness", q.AllowedLateness, 0)
	v.trigger(q.Trigger)
	if q.Accumulation > window.Discarding {
		v.add("accumulation", "is unknown; it is accumulating or discarding")
	}
	v.aggregates(q.Aggregates)
	return v.problems
}

type validator struct{ problems []Problem }

func (v *validator) add(path, format string, args ...any) {
	v.problems = append(v.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (v *validator) expr(path, text string) { v.note(CheckExpr(path, text)) }

// note adds a problem, if there is one.
func (v *validator) note(p *Problem) {
	if p != nil {
		v.problems = append(v.problems, *p)
	}
}

// name checks the name of the query: it becomes part of topics, tables and
// metrics.
func (v *validator) name(path, name string) {
	switch {
	case name == "":
		v.add(path, "is missing; give the query a name of letters, digits, _ and -")
	case len(name) > maxNameBytes:
		v.add(path, "is %d bytes long; at most %d are allowed", len(name), maxNameBytes)
	case strings.ContainsFunc(name, notInQueryName):
		v.add(path, "%q may hold only letters, digits, _ and -", name)
	}
}

func notInQueryName(r rune) bool {
	ok := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
	return !ok
}

func (v *validator) key(fields []KeyField) {
	seen := map[string]bool{}
	for _, f := range fields {
		path := "key." + f.Name
		if !v.column(path, f.Name) {
			continue
		}
		if seen[f.Name] {
			v.add(path, "is there twice; each key field needs a name of its own")
		}
		seen[f.Name] = true
		v.expr(path, f.Expr)
	}
}

// column checks the name of a key field or an aggregate.
func (v *validator) column(path, name string) bool {
	switch {
	case name == "":
		v.add(path, "has an empty name")
	case len(name) > maxNameBytes:
		v.add(path, "has a name of %d bytes; at most %d are allowed", len(name), maxNameBytes)
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		v.add(path, "has a name with characters that do not print")
	case slices.Contains(reservedColumns, name):
		v.add(path, "%s is a column of every result (%s); choose another name", name, strings.Join(reservedColumns, ", "))
	default:
		return true
	}
	return false
}

func (v *validator) window(w window.Spec) {
	switch w.Kind {
	case window.KindTumbling:
		v.length("window.tumbling.size", w.Size, 1)
		v.offset("window.tumbling.offset", w.Offset)
	case window.KindSliding:
		v.length("window.sliding.size", w.Size, 1)
		v.length("window.sliding.slide", w.Slide, 1)
		v.offset("window.sliding.offset", w.Offset)
		if w.Slide > 0 && w.Size/w.Slide > window.MaxWindowsPerEvent {
			v.add("window.sliding.slide", "puts each event into %d windows; at most %d are allowed: use a longer slide", w.Size/w.Slide, window.MaxWindowsPerEvent)
		}
	case window.KindSession:
		v.length("window.session.gap", w.Gap, 1)
	case window.KindCalendar:
		v.calendar(w)
	case window.KindGlobal:
	default:
		v.add("window", "is missing; give one of tumbling, sliding, session, calendar, global")
	}
}

func (v *validator) calendar(w window.Spec) {
	switch w.Unit {
	case window.Day, window.Week, window.Month:
	case "":
		v.add("window.calendar.unit", "is missing; it is one of day, week, month")
	default:
		v.add("window.calendar.unit", "%q is unknown; it is one of day, week, month", w.Unit)
	}
	if w.Zone == "Local" {
		v.add("window.calendar.timezone", "Local differs from machine to machine; name the zone, such as Europe/Berlin")
		return
	}
	if _, err := time.LoadLocation(w.Zone); err != nil {
		v.add("window.calendar.timezone", "%q is no time zone of the IANA database; it is a name such as UTC or Europe/Berlin", w.Zone)
	}
}

func (v *validator) length(path string, d, least time.Duration) {
	switch {
	case d < least && least > 0:
		v.add(path, "is %v; it has to be longer than 0", d)
	case d < 0:
		v.add(path, "is %v; it cannot be negative", d)
	case d > window.MaxLength:
		v.add(path, "is longer than 36500d (100 years), the longest that event time is computed with")
	}
}

func (v *validator) offset(path string, d time.Duration) {
	if d > window.MaxLength || d < -window.MaxLength {
		v.add(path, "is farther than 36500d (100 years) from 0, the farthest that event time is computed with")
	}
}

func (v *validator) trigger(t window.Trigger) {
	if t.Every < 0 || t.Every > 0 && t.Every < MinEvery {
		v.add("trigger.every", "is %v; it has to be at least %v, or 0 for never", t.Every, MinEvery)
	}
	if t.Count > math.MaxInt64 {
		v.add("trigger.count", "is larger than any window can hold")
	}
	if t.NoOnTime && t.Count == 0 && t.Every == 0 {
		v.add("trigger.on_time", "is false and there is neither count nor every: no window would ever fire; give one of them")
	}
}

func (v *validator) aggregates(specs []aggregate.Spec) {
	if len(specs) == 0 {
		v.add("aggregate", "is missing; give at least one, such as requests: count()")
	}
	seen := map[string]bool{}
	for i := range specs {
		s := &specs[i]
		path := "aggregate." + s.Name
		if !v.column(path, s.Name) {
			continue
		}
		if seen[s.Name] {
			v.add(path, "is there twice; each aggregate needs a name of its own")
		}
		seen[s.Name] = true
		v.aggregate(path, s)
	}
}

// arity says how many arguments a function takes, beside its parameter.
var arity = map[string]struct{ least, most int }{
	"count": {0, 1}, "rate": {0, 0},
	"sum": {1, 1}, "avg": {1, 1}, "min": {1, 1}, "max": {1, 1},
	"stddev": {1, 1}, "stddev_samp": {1, 1}, "variance": {1, 1}, "var_samp": {1, 1},
	"percentile": {1, 1}, "distinct": {1, 1}, "first": {1, 1}, "last": {1, 1}, "top_k": {1, 1},
	"custom": {1, 1},
}

// functions lists the names that a user may write, for messages.
const functions = "count, sum, avg, min, max, stddev, stddev_samp, variance, var_samp, p50 (any p from p0 to p100), percentile, distinct, first, last, rate, top_k"

func (v *validator) aggregate(path string, s *aggregate.Spec) {
	n, known := arity[s.Func]
	if !known {
		v.add(path, "%q is no aggregate function; there are %s", s.Func, functions)
		return
	}
	switch {
	case s.Arg == "" && n.least > 0:
		v.add(path, "%s needs a field or an expression to read: %s(latency_ms)", s.Func, s.Func)
	case s.Arg != "" && n.most == 0:
		v.add(path, "%s takes nothing: write %s()", s.Func, s.Func)
	case s.Arg != "":
		v.inner(path, s.Arg)
	}
	if s.Where != "" {
		if p := CheckCondition(path, s.Where); p != nil {
			p.Column = 0
			v.note(p)
		}
	}
	switch {
	case s.Func == "percentile" && !(s.Param >= 0 && s.Param <= 100):
		v.add(path, "the percentile is %v; it is from 0 to 100", s.Param)
	case s.Func == "top_k" && !(s.Param >= 1 && s.Param <= aggregate.MaxK && s.Param == math.Trunc(s.Param)):
		v.add(path, "the k of top_k is %v; it is a whole number from 1 to %d", s.Param, aggregate.MaxK)
	case s.Func == "custom" && s.Custom == nil:
		v.add(path, "is custom but has no Custom to make its accumulators")
	}
}

// inner checks an expression that is a part of the text at path, so that its
// columns mean nothing to the reader.
func (v *validator) inner(path, text string) {
	if p := CheckExpr(path, text); p != nil {
		p.Column = 0
		v.problems = append(v.problems, *p)
	}
}
