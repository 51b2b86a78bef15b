package expr

import (
	"slices"

	"github.com/llm-optimizer/processor/event"
)

// compiler turns nodes into filters and operands, each with its own scratch.
type compiler struct {
	expr    *Expr
	columns []int
}

func (c *compiler) operand(n *node, want Use) operand {
	if n.op == opField {
		return operand{column: c.columns[c.expr.index(n.path)]}
	}
	fills := n.fills(want)
	return operand{computer: c.computer(n, want), fills: fills,
		blank: Use{Numeric: want.Numeric && !fills.Numeric, Text: want.Text && !fills.Text}}
}

// operands are the node's, for a reader of the node that wants want.
func (c *compiler) operands(n *node, want Use) []operand {
	out := make([]operand, len(n.args))
	for i, arg := range n.args {
		out[i] = c.operand(arg, n.argUse(i, want))
	}
	return out
}

func (c *compiler) computer(n *node, want Use) computer {
	if n.op >= opAnd && n.op <= opMatches {
		return &truth{filter: c.filter(n)}
	}
	args := c.operands(n, want)
	switch n.op {
	case opLiteral:
		return &constant{value: n.lit}
	case opNeg, opAbs, opCeil, opFloor, opRound:
		return &numeric{op: n.op, x: args[0]}
	case opMin, opMax:
		return &extreme{op: n.op, args: args}
	case opLen:
		return &length{x: args[0]}
	case opLower, opUpper:
		return &letters{upper: n.op == opUpper, x: args[0]}
	case opCoalesce:
		return &coalesce{args: args}
	case opCond:
		return &choice{cond: c.filter(n.args[0]), yes: args[1], no: args[2]}
	case opAdd:
		return c.sum(n, args)
	default:
		return &arithmetic{op: n.op, x: args[0], y: args[1]}
	}
}

// sum compiles + for what its operands can be.
func (c *compiler) sum(n *node, args []operand) computer {
	switch n.static() {
	case numberType:
		return &arithmetic{op: opAdd, x: args[0], y: args[1]}
	case textType:
		return &concat{x: args[0], y: args[1]}
	default:
		return &plus{arithmetic{op: opAdd, x: args[0], y: args[1]}}
	}
}

func (c *compiler) filter(n *node) filter {
	switch n.op {
	case opAnd:
		return &all{filters: c.filters(n.args)}
	case opOr:
		return &either{filters: c.filters(n.args)}
	case opNot:
		return &not{filter: c.filter(n.args[0])}
	case opIsNull, opNotNull:
		return &nullness{x: c.operand(n.args[0], Use{}), null: n.op == opIsNull}
	case opCompare:
		return c.compare(n)
	case opIn:
		return newMember(c.operand(n.args[0], n.argUse(0, Use{})), n.list)
	case opMatches:
		return &pattern{x: c.operand(n.args[0], useText), re: n.re}
	case opContains, opStartsWith, opEndsWith:
		args := c.operands(n, Use{})
		return &search{op: n.op, x: args[0], y: args[1]}
	default:
		return &isKind{x: c.operand(n, Use{}), kind: event.True}
	}
}

func (c *compiler) filters(nodes []*node) []filter {
	out := make([]filter, len(nodes))
	for i, n := range nodes {
		out[i] = c.filter(n)
	}
	return out
}

// compare picks the loop for what stands on the two sides. A literal goes to
// the right.
func (c *compiler) compare(n *node) filter {
	args, o := n.args, n.order
	if args[0].op == opLiteral {
		args, o = []*node{args[1], args[0]}, o.flip()
	}
	if neverLike(args[0].static(), args[1].static()) {
		return never{}
	}
	x := c.operand(args[0], compareUse(args[0], args[1]))
	lit := args[1].lit
	switch {
	case args[1].op != opLiteral || lit.Kind == event.Integer || lit.Kind == event.Number && !args[1].isSmall():
		return &compare{x: x, y: c.operand(args[1], compareUse(args[1], args[0])), order: o}
	case lit.Kind == event.Number:
		return &compareNumber{x: x, number: lit.Num, order: o}
	case lit.Kind == event.String && (o == equal || o == notEqual):
		return &equalText{x: x, text: lit.Str, not: o == notEqual}
	case lit.Kind == event.String:
		return &compareText{x: x, text: []byte(lit.Str), order: o}
	case o != equal && o != notEqual:
		return never{}
	case o == notEqual:
		// Unlike true among the bools is false.
		return &isKind{x: x, kind: event.False + event.True - lit.Kind}
	default:
		return &isKind{x: x, kind: lit.Kind}
	}
}

// neverLike reports whether no value of one type compares with one of the
// other.
func neverLike(a, b static) bool {
	return a == nullType || b == nullType || a != b && a != anyType && b != anyType
}

// newMember sorts the values of a list by how they are looked up.
func newMember(x operand, list []event.Value) *member {
	m := &member{x: x, wide: map[string]struct{}{}}
	for _, v := range list {
		switch v.Kind {
		case event.False, event.True:
			m.bools[v.Kind] = true
		case event.Number:
			m.numbers = append(m.numbers, v.Num)
		case event.Integer:
			m.integers = append(m.integers, v.Str)
		case event.String:
			m.texts = append(m.texts, v.Str)
			m.wide[v.Str] = struct{}{}
		}
	}
	slices.Sort(m.numbers)
	return m
}
