package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-optimizer/processor/internal/expr"
	"github.com/llm-optimizer/processor/operator"
	"github.com/llm-optimizer/processor/query"
)

// operatorPaths lists the fields that operators need, without those that they
// cannot have.
func (v *validator) operatorPaths(s *Spec) [][]string {
	var paths [][]string
	for i, o := range s.Operators {
		at := fmt.Sprintf("operators.%d", i)
		if o == nil {
			v.add(at, "is nil: give an operator, or leave it out")
			continue
		}
		for _, field := range o.Needs() {
			if p := query.CheckField(at+"."+field, field); p != nil {
				v.problems = append(v.problems, Problem(*p))
				continue
			}
			if slices.ContainsFunc(s.Event.Fields, func(f Field) bool { return f.Name == field }) {
				v.add(at+"."+field, "is a computed field; these come after operators, so compute it in the operator, or choose another name")
				continue
			}
			paths = append(paths, pathOf(field))
		}
	}
	return paths
}

// pathOf is the path of a field that was checked.
func pathOf(field string) []string {
	e, err := expr.Parse(field)
	if err != nil {
		return strings.Split(field, ".")
	}
	path, _ := e.IsPath()
	return path
}

// bindOperators makes copies of the operators that know their columns.
func (p *Pipeline) bindOperators() ([]operator.Operator, error) {
	var ops []operator.Operator
	for i, o := range p.spec.Operators {
		var columns []int
		for _, field := range o.Needs() {
			columns = append(columns, p.plan.Column(pathOf(field)))
		}
		o = o.Clone()
		if err := o.Bind(columns); err != nil {
			return nil, Problem{Path: fmt.Sprintf("operators.%d", i), Message: err.Error()}
		}
		ops = append(ops, o)
	}
	return ops, nil
}
