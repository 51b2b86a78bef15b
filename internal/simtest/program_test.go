package simtest

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/refmodel"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/window"
)

// program is a random pipeline with its input.
type program struct {
	// unit is the length of one unit of event time; base is where the times
	// begin, in units.
	unit, base int64
	format     event.TimeFormat
	// bound is the out-of-orderness.
	bound   time.Duration
	dedup   pipeline.Dedup
	queries []query.Query
	limits  pipeline.LimitSpec
	feeds   [][]record
	// ends are before which steps the input ended, until a later run.
	ends []int
	// topic overrules the setting: positions must mean the same in all runs.
	topic *bool
}

// record is one line of a partition.
type record struct {
	raw string
	// blank lines are skipped, uncounted.
	blank bool
	event refmodel.Event
}

// shape is what a property wants of its programs.
type shape struct {
	partitions int
	// ownSessionKeys gives each partition keys of its own, for sessions with
	// events beyond the bound.
	ownSessionKeys bool
	// everyWindowFires leaves out what makes some windows never fire.
	everyWindowFires bool
	noSessions       bool
	// onlySessions gives few keys many sessions that fire, grow and merge.
	onlySessions bool
	// onlyPanes draws sliding windows that overlap and that no event fires.
	onlyPanes bool
	// withinBound sets the bound so wide that no event is beyond it.
	withinBound bool
	// limited programs are held to a few keys or windows.
	limited bool
	// extreme times lie near the ends of int64 nanoseconds, or a few windows off:
	// some are refused.
	extreme bool
}

// longest is the longest duration that a config may name, 36500 days.
const longest = 36500 * 24 * int64(time.Hour)

func drawProgram(t *rapid.T, s shape) program {
	p := program{}
	calendar := !s.onlySessions && rapid.IntRange(0, 9).Draw(t, "calendar") == 0
	bounds := []int64{0, 0, 1, 2, 3, 6, 20}
	if s.extreme && !calendar {
		p.unit, p.format = 1, event.UnixNano
		bounds = append(bounds, longest)
		far := rapid.SampledFrom([]int64{0, 15, 100, longest, 2 * longest}).Draw(t, "far")
		p.base = rapid.SampledFrom([]int64{event.MinTime + far, event.MaxTime - far}).Draw(t, "base")
	} else {
		p.drawUnit(t, calendar, s.extreme)
	}
	p.bound = p.units(rapid.SampledFrom(bounds).Draw(t, "bound"))
	if rapid.IntRange(0, 3).Draw(t, "dedup") == 0 {
		p.dedup = pipeline.Dedup{
			ID:      rapid.SampledFrom([]string{"u", "v", "i"}).Draw(t, "id"),
			Horizon: p.units(rapid.SampledFrom([]int64{1, 2, 5, 20, 100}).Draw(t, "horizon")),
		}
	}
	if s.limited && rapid.Bool().Draw(t, "limited") {
		p.limits.Keys = rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "max keys")
		p.limits.Windows = rapid.SampledFrom([]int{0, 1, 2, 3, 5, 8, 12, 20, 30}).Draw(t, "max windows")
	}
	n := rapid.IntRange(1, 3).Draw(t, "queries")
	for i := range n {
		p.queries = append(p.queries, p.drawQuery(t, fmt.Sprintf("q%d", i), calendar, s))
	}
	for i := range s.partitions {
		p.feeds = append(p.feeds, p.drawFeed(t, i, s))
	}
	if s.withinBound {
		p.keepWithinBound()
	}
	return p
}

func (p *program) units(n int64) time.Duration { return time.Duration(n * p.unit) }

func (p *program) drawUnit(t *rapid.T, calendar, extreme bool) {
	if calendar {
		// Around days of 23, 25 and 0 hours, and days that begin late or twice.
		p.unit, p.format = int64(time.Hour)/2, event.UnixSec
		begins := []string{
			"2026-03-27T12:00:00Z", "2026-10-24T00:00:00Z", "2018-11-03T00:00:00Z",
			"2018-02-17T00:00:00Z", "2011-12-29T00:00:00Z", "2006-10-28T00:00:00Z",
			"1969-12-31T00:00:00Z", "2024-02-28T00:00:00Z",
		}
		if extreme {
			begins = []string{
				"1677-09-21T00:30:00Z", "1677-09-22T00:00:00Z", "1677-09-27T00:00:00Z", "1677-10-01T00:00:00Z",
				"2262-04-11T23:30:00Z", "2262-04-11T00:00:00Z", "2262-04-07T00:00:00Z", "2262-04-01T00:00:00Z",
			}
		}
		begin := rapid.SampledFrom(begins).Draw(t, "begin")
		at, err := time.Parse(time.RFC3339, begin)
		if err != nil {
			t.Fatalf("%v", err)
		}
		p.base = at.UnixNano() / p.unit
		return
	}
	p.format = rapid.SampledFrom([]event.TimeFormat{
		event.UnixMilli, event.UnixNano, event.UnixMicro, event.UnixSec, event.RFC3339,
	}).Draw(t, "format")
	p.unit = unitOf(p.format)
	if p.format == event.RFC3339 {
		p.unit = rapid.SampledFrom([]int64{1, 1e3, 1e6, 1e8}).Draw(t, "unit")
	}
	base := rapid.SampledFrom([]int64{0, 0, -1000, 1767225600e9 / p.unit}).Draw(t, "base")
	p.base = base
}

func (p *program) drawQuery(t *rapid.T, name string, calendar bool, s shape) query.Query {
	q := query.Query{Name: name}
	q.Window = p.drawWindow(t, calendar, s)
	latenesses := []int64{0, 0, 1, 2, 5, 12, 100}
	if s.onlySessions {
		latenesses = []int64{0, 5, 12, 30, 100}
	}
	if s.extreme && !calendar {
		latenesses = append(latenesses, longest)
	}
	q.AllowedLateness = p.units(rapid.SampledFrom(latenesses).Draw(t, "lateness"))
	q.Where = rapid.SampledFrom([]string{"", "", "", `ok == true`, `v > 2`, `u != "b" && v >= 1`, `m.t == "x"`, `v == null`}).Draw(t, "where")
	q.Key = rapid.SampledFrom([][]query.KeyField{
		{{Name: "k", Expr: "k"}}, {{Name: "k", Expr: "k"}}, nil,
		{{Name: "t", Expr: "m.t"}, {Name: "k", Expr: "k"}},
	}).Draw(t, "key")
	if s.ownSessionKeys {
		q.Key = []query.KeyField{{Name: "k", Expr: "k"}}
	}
	if !s.onlyPanes && rapid.IntRange(0, 2).Draw(t, "counted") == 0 {
		q.Trigger.Count = rapid.SampledFrom([]uint64{1, 2, 3, 4, 7}).Draw(t, "count")
		q.Trigger.NoOnTime = !s.everyWindowFires && rapid.IntRange(0, 2).Draw(t, "only by count") == 0
	}
	if rapid.IntRange(0, 2).Draw(t, "discarding") == 0 {
		q.Accumulation = window.Discarding
	}
	q.Aggregates = drawAggregates(t)
	return q
}

func (p *program) drawWindow(t *rapid.T, calendar bool, s shape) window.Spec {
	if calendar {
		return window.Calendar(
			rapid.SampledFrom([]window.Unit{window.Day, window.Day, window.Week, window.Month}).Draw(t, "unit"),
			rapid.SampledFrom([]string{
				"UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "America/St_Johns", "Asia/Kathmandu",
			}).Draw(t, "zone"))
	}
	size := rapid.Int64Range(1, 12).Draw(t, "size")
	slide := rapid.Int64Range(1, 15).Draw(t, "slide")
	if s.extreme && rapid.Bool().Draw(t, "long") {
		size = longest - size
		slide = longest/slide - slide
	}
	kinds := []window.Kind{window.KindTumbling, window.KindSliding, window.KindGlobal}
	if !s.noSessions {
		kinds = append(kinds, window.KindSession, window.KindSession)
	}
	if s.onlySessions {
		kinds = []window.Kind{window.KindSession}
	}
	if s.onlyPanes {
		size += 3
		slide = min(slide, size-1)
		kinds = []window.Kind{window.KindSliding}
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case window.KindTumbling:
		return window.Tumbling(p.units(size)).WithOffset(p.drawOffset(t, size))
	case window.KindSliding:
		return window.Sliding(p.units(size), p.units(slide)).WithOffset(p.drawOffset(t, slide))
	case window.KindSession:
		return window.Session(p.units(rapid.Int64Range(1, 10).Draw(t, "gap")))
	default:
		return window.Global()
	}
}

func (p *program) drawOffset(t *rapid.T, below int64) time.Duration {
	return p.units(rapid.Int64Range(-below+1, below-1).Draw(t, "offset"))
}

func drawAggregates(t *rapid.T) []aggregate.Spec {
	pool := []aggregate.Spec{
		aggregate.Sum("v"), aggregate.Avg("v"), aggregate.Min("v"), aggregate.Max("v"),
		aggregate.StdDev("v"), aggregate.StdDevSamp("v"), aggregate.Variance("v"), aggregate.VarSamp("v"),
		aggregate.Percentile("v", 50), aggregate.Percentile("v", 99.9), aggregate.Percentile("v", 0),
		aggregate.Percentile("v", 100), aggregate.CountOf("v"), aggregate.CountOf("v > 3"),
		aggregate.Count().If("ok == true"), aggregate.Sum("v").If(`u == "a"`),
		aggregate.Distinct("u"), aggregate.Distinct("v"), aggregate.First("i"), aggregate.Last("i"),
		aggregate.First("v"), aggregate.Last("u"), aggregate.Rate(), aggregate.CountOf("u"),
		aggregate.Sum("i"), aggregate.Max("v").If("v < 3"),
	}
	chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 0, 6, aggregate.Spec.String).Draw(t, "aggregates")
	all := []aggregate.Spec{aggregate.Count().As("n"), aggregate.Sum("i").As("ids")}
	for i, a := range chosen {
		all = append(all, a.As(fmt.Sprintf("a%d", i)))
	}
	return all
}

func (p *program) drawFeed(t *rapid.T, partition int, s shape) []record {
	d := drawing{
		keys:   rapid.SampledFrom([]int{1, 2, 4, len(keyTexts)}).Draw(t, "keys"),
		spoilt: rapid.IntRange(0, 3).Draw(t, "spoilt") == 0,
		span:   rapid.SampledFrom([]int64{12, 40}).Draw(t, "span"),
		stride: rapid.SampledFrom([]int64{0, 1, 3, 9}).Draw(t, "stride"),
	}
	if s.extreme || s.onlySessions {
		d.stride = 0
	}
	if s.onlySessions {
		d.keys, d.spoilt = 2, false
	}
	var all []record
	at := p.base
	// Left alone, slices are five long on average.
	least := rapid.SampledFrom([]int{0, 5, 15, 30}).Draw(t, "least")
	for i, f := range rapid.SliceOfN(rapid.Custom(d.fields), least, 60).Draw(t, "events") {
		at += f.on
		f.i, f.at = i+1000*partition, event.AddSat(at, -f.back)
		f.at = min(max(f.at, event.MinTime/p.unit), event.MaxTime/p.unit)
		if s.ownSessionKeys {
			f.key = fmt.Sprintf(`"p%d-%d"`, partition, f.own)
		}
		all = append(all, p.record(t, f))
	}
	return all
}

// drawing says how events are drawn: times go back and forth within a small
// span (stride 0), where every boundary is met, or onwards with disorder.
type drawing struct {
	keys         int
	spoilt       bool
	span, stride int64
}

// fields are an event's, as JSON texts; empty means missing.
type fields struct {
	key, v, u, ok, tenant string
	i, own                int
	at                    int64
	// on is how far the time goes on before the event, back how far the event
	// is behind that.
	on, back int64
	// bad makes the record undecodable.
	bad int
}

var keyTexts = []string{
	`"a"`, `"b"`, `null`, `1`, ``, `"1"`, `true`, `"true"`, `1.0`, `0`, `-0.0`, `""`, `"null"`,
	`9007199254740993`, `9007199254740992`, `false`, `0.5`, `"\u0061"`, `1e0`, `18446744073709551615`, `"ü\n"`,
	`1767225600000000256`, `1767225600000000257`, `-9223372036854775808`,
}

func (d drawing) fields(t *rapid.T) fields {
	pick := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(t, name) }
	f := fields{
		key:    pick("key", keyTexts[:d.keys]...),
		v:      pick("v", `1`, `2`, `3`, `4.25`, `7`, `-5`, `0.1`, `100`, `null`, ``),
		u:      pick("u", `"a"`, `"b"`, `"c"`, `7`, `null`, ``),
		ok:     pick("ok", `true`, `false`, ``),
		tenant: pick("tenant", `"x"`, `"y"`, ``),
		own:    rapid.IntRange(0, min(d.keys, 4)-1).Draw(t, "own key"),
	}
	switch {
	case d.stride == 0:
		f.back = rapid.Int64Range(-d.span, d.span/4).Draw(t, "at")
	case rapid.Bool().Draw(t, "behind"):
		f.back = rapid.Int64Range(0, d.span/2).Draw(t, "back")
		fallthrough
	default:
		f.on = rapid.Int64Range(0, d.stride).Draw(t, "on")
	}
	if d.spoilt && rapid.IntRange(0, 7).Draw(t, "spoil") == 0 {
		f.spoil(rapid.IntRange(0, 7).Draw(t, "how"))
	}
	return f
}

// spoil makes the record undecodable, or gives a field a wrong type.
func (f *fields) spoil(how int) {
	switch how {
	case 4:
		f.key = `[1]`
	case 5:
		f.v = `"x"`
	case 6:
		f.v, f.u = `true`, `{"a":1}`
	case 7:
		f.key, f.u = `{}`, `[]`
	default:
		f.bad = how + 1
	}
}

func (p *program) record(t *rapid.T, f fields) record {
	if f.bad == 4 {
		return record{raw: rapid.SampledFrom([]string{"", "  ", "\t"}).Draw(t, "blank"), blank: true}
	}
	members := []string{fmt.Sprintf(`"i":%d`, f.i)}
	add := func(name, text string) {
		if text != "" {
			members = append(members, fmt.Sprintf(`"%s":%s`, name, text))
		}
	}
	add("k", f.key)
	add("v", f.v)
	add("u", f.u)
	add("ok", f.ok)
	if f.tenant != "" {
		add("m", fmt.Sprintf(`{"t":%s}`, f.tenant))
	}
	switch f.bad {
	case 1:
		add("ts", "null")
	case 2:
	default:
		add("ts", p.timeText(f.at))
	}
	raw := "{" + strings.Join(members, ",") + "}"
	if f.bad == 3 {
		raw = strings.TrimSuffix(raw, "}")
	}
	if f.bad > 0 {
		return record{raw: raw, event: refmodel.Event{Bad: true, Raw: []byte(raw)}}
	}
	e, err := decode([]byte(raw), p.eventSpec())
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return record{raw: raw, event: e}
}

func (p *program) eventSpec() pipeline.EventSpec {
	spec := pipeline.DefaultSpec().Event
	spec.TimeField, spec.TimeFormat, spec.Dedup = "ts", p.format, p.dedup
	return spec
}

func (p *program) timeText(at int64) string {
	if p.format == event.RFC3339 {
		return string(append(event.AppendTime([]byte{'"'}, at*p.unit), '"'))
	}
	return fmt.Sprint(at * p.unit / unitOf(p.format))
}
