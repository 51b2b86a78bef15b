package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/expr"
	"github.com/llm-optimizer/processor/query"
)

// typedSource is what Build asks of a Typed, whatever it is of.
type typedSource interface {
	// check returns what is wrong with the source.
	check() []Problem
	// declared are the paths of its fields, as FormatPath writes them.
	declared() []string
	// refuseBeyond refuses events that are so far in the future.
	refuseBeyond(d time.Duration)
}

func (s *Typed[T]) check() []Problem {
	problems := slices.Clone(s.layout.problems)
	if s.events == nil && s.seq == nil {
		problems = append(problems, Problem{Path: "source", Message: "the channel or sequence of the typed source is nil: it would never give an event"})
	}
	if s.at == nil {
		problems = append(problems, Problem{Path: "source", Message: "the typed source has no function for the event time"})
	}
	for _, f := range s.fields {
		if f.num == nil && f.str == nil && f.flag == nil && f.val == nil {
			problems = append(problems, Problem{Path: "source." + f.name, Message: "the field has no function"})
		}
	}
	return problems
}

func (s *Typed[T]) declared() []string { return s.layout.names }

func (s *Typed[T]) refuseBeyond(d time.Duration) { s.maxFuture = d }

// checkTyped checks a typed source and what is read of it.
func (v *validator) checkTyped(s *Spec, t typedSource) {
	problems := t.check()
	for _, p := range problems {
		v.problems = append(v.problems, p)
	}
	e := &s.Event
	if e.TimeField != "" {
		v.add("event.time.field", "the typed source has a function for the event time: leave EventTime out")
	}
	// Nothing is decoded, but the decoder is made and has to be told something.
	e.TimeField, e.TimeFormat = "timestamp", event.RFC3339
	t.refuseBeyond(e.MaxFuture)
	if len(problems) == 0 {
		v.checkReads(s, t)
	}
}

// checkReads checks that everything which is read is declared.
func (v *validator) checkReads(s *Spec, t typedSource) {
	r := reads{validator: v, known: map[string]bool{}, declared: t.declared()}
	for _, name := range r.declared {
		r.known[name] = true
	}
	for _, o := range s.Operators {
		if o == nil {
			continue
		}
		for _, field := range o.Needs() { // it may be one that the operator sets
			r.known[expr.FormatPath(pathOf(field))] = true
		}
	}
	for _, f := range s.Event.Fields {
		r.check("event.fields."+f.Name, f.Expr)
		r.known[expr.FormatPath([]string{f.Name})] = true
	}
	for i := range s.Queries {
		r.checkQuery(fmt.Sprintf("queries.%d", i), &s.Queries[i])
	}
}

// reads checks that what expressions read is there.
type reads struct {
	*validator
	known    map[string]bool
	declared []string
}

func (r *reads) checkQuery(at string, q *query.Query) {
	r.check(at+".where", q.Where)
	for _, k := range q.Key {
		r.check(at+".key."+k.Name, k.Expr)
	}
	for i := range q.Aggregates {
		a := &q.Aggregates[i]
		r.check(at+".aggregate."+a.Name, a.Arg)
		r.check(at+".aggregate."+a.Name, a.Where)
	}
}

// check leaves what does not parse to others.
func (r *reads) check(at, text string) {
	e, err := expr.Parse(text)
	if text == "" || err != nil {
		return
	}
	for _, path := range e.Fields() {
		if name := expr.FormatPath(path); !r.known[name] {
			r.add(at, "reads %s, which the typed source does not declare; it declares %s", name, list(r.declared))
		}
	}
}

func list(names []string) string {
	if len(names) == 0 {
		return "no field"
	}
	return strings.Join(names, ", ")
}
