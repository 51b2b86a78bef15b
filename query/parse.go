package query

import (
	"strings"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/internal/expr"
)

// CheckExpr parses a filter, a computed field or a key expression and returns
// what is wrong with it, or nil. path becomes the Problem's Path.
func CheckExpr(path, text string) *Problem {
	if _, err := expr.Parse(text); err != nil {
		p := NewProblem(path, err)
		return &p
	}
	return nil
}

// CheckCondition is CheckExpr for a filter, which must be able to be true.
func CheckCondition(path, text string) *Problem {
	e, err := expr.Parse(text)
	switch {
	case err != nil:
		p := NewProblem(path, err)
		return &p
	case !e.CanBeTrue():
		return &Problem{Path: path, Message: "is never true; it has to be a condition, such as latency_ms > 0"}
	}
	return nil
}

// CheckField is CheckExpr for a value that has to be a plain path, such as
// metadata.tenant.
func CheckField(path, text string) *Problem {
	e, err := expr.Parse(text)
	if err != nil {
		p := NewProblem(path, err)
		if at := p.Column - 1; at >= 0 && strings.HasPrefix(string([]rune(text)[at:]), "..") {
			// An expression would be told of ranges.
			p.Message = `has two dots and no name between them; it has to be a field, such as timestamp, metadata.time or data["a.b"]`
		}
		return &p
	}
	if _, ok := e.IsPath(); !ok {
		return &Problem{Path: path, Message: `is an expression; it has to be a field, such as timestamp, metadata.time or data["a.b"]`}
	}
	return nil
}

// ParseAggregate reads an aggregate as it is written in a config, such as
// "avg(latency_ms) where status == \"ok\"". The Problem's Path is
// "aggregate.NAME", its Column counts in the whole text.
func ParseAggregate(name, text string) (aggregate.Spec, *Problem) {
	a, err := expr.ParseAggregate(text)
	if err != nil {
		p := NewProblem("aggregate."+name, err)
		return aggregate.Spec{}, &p
	}
	s := aggregate.Spec{Name: name, Func: a.Func, Arg: a.ArgText, Where: a.WhereText}
	if len(a.Params) > 0 {
		s.Param = a.Params[0]
	}
	return s, nil
}
