package expr

import (
	"fmt"
	"regexp"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser/lexer"

	"github.com/llm-optimizer/processor/event"
)

// converter turns the library's tree into canonical nodes.
type converter struct {
	src    string
	tokens []lexer.Token
}

func (c *converter) errorf(n ast.Node, format string, args ...any) error {
	return errorAt(c.src, n.Location().From, format, args...)
}

// node converts n, which lies depth operands deep. The left operand of a
// binary operator is as deep as the operator, so that chains may be long.
func (c *converter) node(n ast.Node, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, c.errorf(n, "the expression is nested more than %d deep: split it with computed fields", maxDepth)
	}
	switch n := n.(type) {
	case *ast.NilNode:
		return &node{op: opLiteral}, nil
	case *ast.BoolNode:
		return literal(event.Bool(n.Value)), nil
	case *ast.IntegerNode:
		return literal(event.Int(int64(n.Value))), nil
	case *ast.FloatNode:
		return literal(event.Float(n.Value)), nil
	case *ast.StringNode:
		return literal(event.Text(n.Value)), nil
	case *ast.IdentifierNode:
		if n.Value == "null" {
			return &node{op: opLiteral}, nil
		}
		return c.field(n)
	case *ast.MemberNode:
		return c.field(n)
	case *ast.UnaryNode:
		return c.unary(n, depth)
	case *ast.BinaryNode:
		return c.binary(n, depth)
	case *ast.CallNode:
		return c.call(n, depth)
	case *ast.ConditionalNode:
		return c.cond(n, depth)
	case *ast.ArrayNode:
		return nil, c.errorf(n, `a list can only stand after in: write model in ["a", "b"]`)
	case *ast.SliceNode:
		return nil, c.errorf(n, "slices are not supported: an expression reads scalars")
	default:
		return nil, c.errorf(n, "this is not supported: an expression is made of fields, literals, operators and the functions %s", functionList)
	}
}

func literal(v event.Value) *node { return &node{op: opLiteral, lit: v} }

func unary(o op, x *node) *node { return &node{op: o, args: []*node{x}} }

// field converts a name or a chain of members.
func (c *converter) field(n ast.Node) (*node, error) {
	var names []string // innermost first
	for {
		switch m := n.(type) {
		case *ast.MemberNode:
			name, ok := m.Property.(*ast.StringNode)
			if !ok {
				return nil, c.errorf(m, `arrays cannot be indexed: only names in quotes go in brackets, as in data["a.b"]`)
			}
			names, n = append(names, name.Value), m.Node
			continue
		case *ast.IdentifierNode:
			if like := literalLike(m.Value); like != "" {
				return nil, c.errorf(m, "%s is not a field: write %s for the literal, $env[%q] for a field of that name", m.Value, like, m.Value)
			}
			if m.Value != root {
				names = append(names, m.Value)
			} else if len(names) == 0 {
				return nil, c.errorf(m, `%s is the whole event: write a field of it, as in %s["odd name"]`, root, root)
			}
		default:
			return nil, c.errorf(m, "only fields have members: write a dotted path such as metadata.tenant")
		}
		break
	}
	path := make([]string, 0, len(names))
	for i := len(names) - 1; i >= 0; i-- {
		path = append(path, names[i])
	}
	return &node{op: opField, path: path}, nil
}

func (c *converter) unary(n *ast.UnaryNode, depth int) (*node, error) {
	x, err := c.node(n.Node, depth+1)
	if err != nil {
		return nil, err
	}
	isNumber := x.op == opLiteral && x.lit.Kind.IsNumber()
	switch n.Operator {
	case "-":
		if isNumber {
			return literal(negate(x.lit)), nil
		}
		return unary(opNeg, x), nil
	case "+":
		if isNumber {
			return x, nil
		}
		return nil, c.errorf(n, "a plus sign has no effect here: leave it out")
	default:
		return unary(opNot, x), nil
	}
}

// negate is exact for all literals, which are at most 2^63-1.
func negate(v event.Value) event.Value {
	if v.Kind == event.Integer && v.Str[0] == '-' {
		return event.Value{Kind: v.Kind, Num: -v.Num, Str: v.Str[1:]}
	}
	if v.Kind == event.Integer {
		return event.Value{Kind: v.Kind, Num: -v.Num, Str: "-" + v.Str}
	}
	return event.Float(0 - v.Num) // not -0
}

func (c *converter) cond(n *ast.ConditionalNode, depth int) (*node, error) {
	if n.Cond == n.Exp1 {
		return nil, c.errorf(n.Cond, "?: is not supported: write coalesce(a, b), or a ? b : c")
	}
	args, err := c.nodes(depth+1, n.Cond, n.Exp1, n.Exp2)
	if err != nil {
		return nil, err
	}
	return &node{op: opCond, args: args}, nil
}

func (c *converter) nodes(depth int, from ...ast.Node) ([]*node, error) {
	out := make([]*node, len(from))
	for i, n := range from {
		var err error
		if out[i], err = c.node(n, depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

var comparisons = map[string]order{
	"==": equal, "!=": notEqual, "<": less, "<=": lessEqual, ">": greater, ">=": greaterEqual,
}

var operators = map[string]op{
	"&&": opAnd, "and": opAnd, "||": opOr, "or": opOr, "??": opCoalesce,
	"contains": opContains, "startsWith": opStartsWith, "endsWith": opEndsWith, "matches": opMatches,
	"+": opAdd, "-": opSub, "*": opMul, "/": opDiv, "%": opMod, "**": opPow, "^": opPow,
}

func (c *converter) binary(n *ast.BinaryNode, depth int) (*node, error) {
	if err := c.checkNot(n); err != nil {
		return nil, err
	}
	if err := c.checkChain(n); err != nil {
		return nil, err
	}
	x, err := c.node(n.Left, depth)
	if err != nil {
		return nil, err
	}
	if n.Operator == "in" {
		return c.in(x, n.Right, depth+1)
	}
	y, err := c.node(n.Right, depth+1)
	if err != nil {
		return nil, err
	}
	if o, ok := comparisons[n.Operator]; ok {
		return comparison(o, x, y), nil
	}
	switch o, ok := operators[n.Operator]; {
	case !ok:
		return nil, c.errorf(n, "the operator %s is not supported", n.Operator)
	case o == opAnd || o == opOr || o == opCoalesce:
		return chain(o, x, y), nil
	case o == opMatches:
		return c.matches(x, y, n.Right)
	default:
		return &node{op: o, args: []*node{x, y}}, nil
	}
}

// comparison makes == and != with the literal null a question of their own.
func comparison(o order, x, y *node) *node {
	isNull := func(n *node) bool { return n.op == opLiteral && n.lit.Kind == event.Null }
	question, asks := map[order]op{equal: opIsNull, notEqual: opNotNull}[o]
	switch {
	case asks && isNull(y):
		return unary(question, x)
	case asks && isNull(x):
		return unary(question, y)
	}
	return &node{op: opCompare, order: o, args: []*node{x, y}}
}

// chain makes one node of nested ones of the same, associative, operator. The
// first one's operands are taken over, which keeps long chains linear.
func chain(o op, nodes ...*node) *node {
	var args []*node
	for i, n := range nodes {
		switch {
		case n.op != o:
			args = append(args, n)
		case i == 0:
			args = n.args
		default:
			args = append(args, n.args...)
		}
	}
	return &node{op: o, args: args}
}

// checkNot refuses !a == b, which the grammar reads as (!a) == b: always
// false for what most people mean by it.
func (c *converter) checkNot(n *ast.BinaryNode) error {
	not, ok := n.Left.(*ast.UnaryNode)
	if !ok || not.Operator != "!" && not.Operator != "not" || not.Location().From == not.Node.Location().From {
		return nil
	}
	if o, known := operators[n.Operator]; known && (o == opAnd || o == opOr) {
		return nil
	}
	open := 0
	for _, t := range c.tokens {
		if t.From <= not.Location().From || t.From >= n.Location().From || t.Kind != lexer.Bracket {
			continue
		}
		if t.Value == "(" || t.Value == "[" {
			open++
		} else {
			open--
		}
	}
	if open < 0 {
		return nil
	}
	return c.errorf(not, `%s applies to the next word alone here, not to %s: put what it negates in parentheses, as in !(status == "ok")`,
		not.Operator, n.Operator)
}

// checkChain refuses a < b + c < d, for which the library shares the middle
// between two comparisons, unless the middle is a leaf.
func (c *converter) checkChain(n *ast.BinaryNode) error {
	left, ok := n.Left.(*ast.BinaryNode)
	right, ok2 := n.Right.(*ast.BinaryNode)
	if n.Operator != "&&" || !ok || !ok2 {
		return nil
	}
	if left.Operator == "&&" {
		if left, ok = left.Right.(*ast.BinaryNode); !ok {
			return nil
		}
	}
	if left.Right != right.Left {
		return nil
	}
	switch right.Left.(type) {
	case *ast.IdentifierNode, *ast.MemberNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode:
		return nil
	}
	return c.errorf(right, "a chain of comparisons is not supported here: write a < b && b < c")
}

// in converts x in [literals].
func (c *converter) in(x *node, list ast.Node, depth int) (*node, error) {
	array, ok := list.(*ast.ArrayNode)
	if !ok {
		return nil, c.errorf(list, `a list of literals must follow in: write model in ["a", "b"]`)
	}
	n := unary(opIn, x)
	n.list = make([]event.Value, 0, len(array.Nodes))
	for _, item := range array.Nodes {
		v, err := c.node(item, depth)
		if err != nil {
			return nil, err
		}
		if v.op != opLiteral || v.lit.Kind == event.Null {
			return nil, c.errorf(item, "the list after in holds strings, numbers, true and false only: "+
				"compare with == for fields and null")
		}
		n.list = append(n.list, v.lit)
	}
	return n, nil
}

func (c *converter) matches(x, pattern *node, at ast.Node) (*node, error) {
	if pattern.op != opLiteral || pattern.lit.Kind != event.String {
		return nil, c.errorf(at, `a pattern in quotes must follow matches: write model matches "^gpt-"`)
	}
	re, err := regexp.Compile(pattern.lit.Str)
	if err != nil {
		return nil, c.errorf(at, "%v: write an RE2 pattern, without lookarounds and back references", err)
	}
	return &node{op: opMatches, args: []*node{x, pattern}, re: re}, nil
}

func (c *converter) call(n *ast.CallNode, depth int) (*node, error) {
	name, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return nil, c.errorf(n, "values have no methods: write function(argument); the functions are %s", functionList)
	}
	f, ok := functions[name.Value]
	if !ok {
		return nil, c.errorf(n, "%s", unknownFunction(name.Value))
	}
	if len(n.Arguments) < f.min || f.max > 0 && len(n.Arguments) > f.max {
		return nil, c.errorf(n, "%s takes %s, not %d", name.Value, f.arity(), len(n.Arguments))
	}
	args, err := c.nodes(depth+1, n.Arguments...)
	if err != nil {
		return nil, err
	}
	if f.op == opCoalesce {
		return chain(opCoalesce, args...), nil
	}
	return &node{op: f.op, args: args}, nil
}

func unknownFunction(name string) string {
	if _, ok := aggregates[name]; ok || isPercentile(name) {
		return fmt.Sprintf("%s is an aggregate and cannot stand inside an expression; the functions are %s", name, functionList)
	}
	return fmt.Sprintf("unknown function %s; the functions are %s", name, functionList)
}
