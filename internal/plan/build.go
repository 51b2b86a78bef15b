package plan

import (
	"fmt"
	"math"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/expr"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/window"
)

// Input is what is planned.
type Input struct {
	// Pipeline is the pipeline's name.
	Pipeline string
	// Time says where the event time is and in what format.
	Time string
	// Fields are computed once per event.
	Fields []Field
	// Reads are fields that must be decoded whatever the queries read: those
	// that operators need.
	Reads   [][]string
	Queries []query.Query
	// DedupID is the expression of the id that repeated events are known by,
	// for DedupHorizon nanoseconds of event time; empty is no deduplication.
	DedupID      string
	DedupHorizon int64
}

// Field is a computed field.
type Field struct{ Name, Expr string }

// Build plans the input, or says everything that is wrong with it; paths are as
// in a config: "queries.0.where".
func Build(in Input) (*Plan, []query.Problem) {
	b := &builder{in: in, byPath: map[string]*column{}, byText: map[string]*column{}}
	b.declareFields()
	for _, path := range in.Reads {
		b.path(path, len(b.fields), expr.Use{Numeric: true, Text: true})
	}
	for i, q := range in.Queries {
		b.query(i, q)
	}
	if in.DedupID != "" {
		if e := b.parse("event.dedup.id", in.DedupID); e != nil {
			b.dedup = b.column(e, expr.Use{Numeric: true, Text: true})
		}
	}
	b.spreadUses()
	if len(b.problems) > 0 {
		return nil, b.problems
	}
	return b.finish()
}

type builder struct {
	in       Input
	problems []query.Problem
	decoded  []*column
	byPath   map[string]*column
	fields   []*column // the user's computed fields
	anon     []*column // expressions of queries
	byText   map[string]*column
	queries  []*draft
	dedup    *column // of the ids; nil without deduplication
}

// column is a column while its number is not known yet.
type column struct {
	path    []string // decoded ones
	name    string   // computed ones
	expr    *expr.Expr
	use     expr.Use
	visible int // how many of the user's fields the expression can see
	number  int
}

// draft is a query while columns have no numbers yet.
type draft struct {
	def    query.Query
	where  *expr.Expr
	keys   []*column
	inputs []*column
	specs  []aggregate.Spec
	wires  []aggregate.Input
	checks []draftCheck
}

type draftCheck struct {
	col, where *column
	numeric    bool
	what       string
}

func (b *builder) problem(path string, err error) {
	b.problems = append(b.problems, query.NewProblem(path, err))
}

func (b *builder) parse(path, src string) *expr.Expr {
	e, err := expr.Parse(src)
	if err != nil {
		b.problem(path, err)
		return nil
	}
	return e
}

func (b *builder) declareFields() {
	for i, f := range b.in.Fields {
		if e := b.parse("event.fields."+f.Name, f.Expr); e != nil {
			b.fields = append(b.fields, &column{name: f.Name, expr: e, visible: i})
		}
	}
}

// path is the column of a field of the event, or of a computed one that is
// visible and hides it.
func (b *builder) path(path []string, visible int, use expr.Use) *column {
	if len(path) == 1 {
		for i := min(visible, len(b.fields)) - 1; i >= 0; i-- {
			if b.fields[i].name == path[0] {
				b.fields[i].use = b.fields[i].use.Or(use)
				return b.fields[i]
			}
		}
	}
	key := expr.FormatPath(path)
	c := b.byPath[key]
	if c == nil {
		c = &column{path: path}
		b.byPath[key] = c
		b.decoded = append(b.decoded, c)
	}
	c.use = c.use.Or(use)
	return c
}

// column is the column of an expression: that of a field, or a computed one,
// shared by all that write the same.
func (b *builder) column(e *expr.Expr, use expr.Use) *column {
	if path, ok := e.IsPath(); ok {
		return b.path(path, len(b.fields), use)
	}
	c := b.byText[e.String()]
	if c == nil {
		c = &column{name: e.String(), expr: e, visible: len(b.fields)}
		b.byText[e.String()] = c
		b.anon = append(b.anon, c)
	}
	c.use = c.use.Or(use)
	return c
}

// spreadUses lets every computed column say what its inputs must have, last
// first, as later ones read earlier ones.
func (b *builder) spreadUses() {
	computed := append(append([]*column{}, b.fields...), b.anon...)
	for i := len(computed) - 1; i >= 0; i-- {
		c := computed[i]
		for n, use := range c.expr.Uses(c.use) {
			b.path(c.expr.Fields()[n], c.visible, use)
		}
	}
}

func (b *builder) query(i int, q query.Query) {
	at := fmt.Sprintf("queries.%d", i)
	d := &draft{def: q}
	b.queries = append(b.queries, d)
	if q.Where != "" {
		if d.where = b.parse(at+".where", q.Where); d.where != nil {
			for n, use := range d.where.Uses(expr.Use{}) {
				b.path(d.where.Fields()[n], len(b.fields), use)
			}
		}
	}
	for _, k := range q.Key {
		if e := b.parse(at+".key."+k.Name, k.Expr); e != nil {
			c := b.column(e, expr.Use{Numeric: true, Text: true})
			d.keys = append(d.keys, c)
			d.checks = append(d.checks, draftCheck{col: c, what: k.Expr})
		}
	}
	for _, a := range q.Aggregates {
		b.aggregate(d, at+".aggregate."+a.Name, a)
	}
}

// aggregate wires one aggregate to the columns it reads.
func (b *builder) aggregate(d *draft, at string, a aggregate.Spec) {
	wire := aggregate.Input{Column: -1, Where: -1}
	var where *column
	if a.Where != "" {
		e := b.parse(at, a.Where)
		if e == nil {
			return
		}
		where = b.column(e, expr.Use{})
		wire.Where = d.input(where)
	}
	if a.Arg != "" {
		e := b.parse(at, a.Arg)
		if e == nil {
			return
		}
		a.Boolean = a.Func == "count" && e.IsBoolean()
		numeric, text := a.Needs()
		c := b.column(e, expr.Use{Numeric: numeric, Text: text})
		wire.Column = d.input(c)
		if !a.Boolean {
			d.checks = append(d.checks, draftCheck{col: c, where: where, numeric: numeric && !text, what: a.Arg})
		}
	}
	if err := a.Validate(); err != nil {
		b.problem(at, err)
	}
	d.specs, d.wires = append(d.specs, a), append(d.wires, wire)
}

// input is the place of a column among those that the composite is given.
func (d *draft) input(c *column) int {
	for i, have := range d.inputs {
		if have == c {
			return i
		}
	}
	d.inputs = append(d.inputs, c)
	return len(d.inputs) - 1
}

// finish numbers the columns and compiles what reads them.
func (b *builder) finish() (*Plan, []query.Problem) {
	p := &Plan{Schema: &event.Schema{Computed: len(b.fields) + len(b.anon)}}
	for i, c := range b.decoded {
		c.number = i
		p.Schema.Fields = append(p.Schema.Fields, event.Field{Path: c.path, Numeric: c.use.Numeric, Text: c.use.Text})
	}
	for i, c := range append(append([]*column{}, b.fields...), b.anon...) {
		c.number = len(b.decoded) + i
		prog, err := expr.Compile(c.expr, b.bind(c.visible), c.use)
		if err != nil {
			b.problem(c.name, err)
			continue
		}
		p.Computed = append(p.Computed, Computed{Name: c.name, Program: prog, Column: c.number})
	}
	if b.dedup != nil {
		p.Dedup = &Dedup{
			Column: b.dedup.number, Horizon: b.in.DedupHorizon,
			Definition: xxhash.Sum64String(fmt.Sprintf("id %s\n%s\nhorizon %d\ntime %s",
				b.in.DedupID, strings.Join(b.fieldsOf(&draft{keys: []*column{b.dedup}}), "\n"), b.in.DedupHorizon, b.in.Time)),
		}
	}
	for i, d := range b.queries {
		q, err := b.finishQuery(i, d)
		if err != nil {
			b.problem(fmt.Sprintf("queries.%d", i), err)
			continue
		}
		p.Queries = append(p.Queries, q)
	}
	return p, b.problems
}

func (b *builder) bind(visible int) expr.Binding {
	return func(path []string) (int, bool) { return b.path(path, visible, expr.Use{}).number, true }
}

// function is what results tell of an aggregate's function.
func function(a aggregate.Spec) result.Function {
	f := result.Function{Name: a.Func, Input: a.Arg, Param: a.Param}
	if a.Where != "" {
		f.Input += " where " + a.Where
	}
	return f
}

func (b *builder) finishQuery(i int, d *draft) (*Query, error) {
	q := &Query{Def: d.def, Lateness: int64(d.def.AllowedLateness), MinTime: math.MinInt64, MaxTime: math.MaxInt64}
	q.Def.Aggregates = d.specs
	q.Info = &result.Query{Index: i, Name: d.def.Name}
	b.identify(q, d)
	for _, k := range d.def.Key {
		q.Info.Keys = append(q.Info.Keys, k.Name)
	}
	for _, a := range d.specs {
		q.Info.Values = append(q.Info.Values, a.Name)
		q.Info.Functions = append(q.Info.Functions, function(a))
	}
	if d.where != nil {
		prog, err := expr.Compile(d.where, b.bind(len(b.fields)), expr.Use{})
		if err != nil {
			return nil, err
		}
		q.Where = prog
	}
	for _, c := range d.keys {
		q.Keys = append(q.Keys, c.number)
	}
	for _, c := range d.inputs {
		q.Inputs = append(q.Inputs, c.number)
	}
	for _, c := range d.checks {
		check := Check{Column: c.col.number, Numeric: c.numeric, Where: -1, What: c.what}
		if c.where != nil {
			check.Where = c.where.number
		}
		q.Checks = append(q.Checks, check)
	}
	comp, err := aggregate.NewComposite(d.specs, d.wires)
	if err != nil {
		return nil, err
	}
	q.Composite = comp
	if d.def.Window.Kind == window.KindSession {
		if err := d.def.Window.Validate(); err != nil {
			return nil, err
		}
		q.Gap = int64(d.def.Window.Gap)
		// The ends of int64 stand for "no bound" in results.
		q.MinTime, q.MaxTime = math.MinInt64+1, math.MaxInt64-q.Gap-1
		return q, nil
	}
	if q.Aligned, err = window.NewAligned(d.def.Window); err != nil {
		return nil, err
	}
	q.MinTime, q.MaxTime = q.Aligned.Range()
	return q, nil
}
