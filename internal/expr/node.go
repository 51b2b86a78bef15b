package expr

import (
	"regexp"

	"github.com/llm-optimizer/processor/event"
)

// op is what a node computes.
type op uint8

const (
	opField op = iota
	opLiteral
	opAnd // any number of operands, as opOr
	opOr
	opNot
	opIsNull
	opNotNull
	opCompare
	opIn
	opContains
	opStartsWith
	opEndsWith
	opMatches
	opAdd
	opSub
	opMul
	opDiv
	opMod
	opPow
	opNeg
	opAbs
	opCeil
	opFloor
	opRound
	opMin
	opMax
	opLen
	opLower
	opUpper
	opCoalesce
	opCond
)

// order is a set of outcomes of a three-way comparison; a comparison operator
// is the set for which it is true.
type order uint8

const (
	less    order = 1
	equal   order = 2
	greater order = 4

	notEqual     = less | greater
	lessEqual    = less | equal
	greaterEqual = greater | equal
)

// flip is the operator with its operands exchanged.
func (o order) flip() order {
	return o&equal | o&less<<2 | o&greater>>2
}

// node is an expression in canonical form: synonyms are gone, chains of && and
// of || are one node, a negated number is a literal.
type node struct {
	op   op
	args []*node
	// path is the field's, outermost name first.
	path []string
	// lit is a literal's value, list the values of in.
	lit  event.Value
	list []event.Value
	// order belongs to opCompare, re to opMatches (its text is args[1]).
	order order
	re    *regexp.Regexp
}

// static is what a node can be beside null and Invalid, as far as its shape
// tells.
type static uint8

const (
	anyType static = iota
	nullType
	boolType
	numberType
	textType
)

func (n *node) static() static {
	switch n.op {
	case opField:
		return anyType
	case opLiteral:
		return staticOf(n.lit.Kind)
	case opAdd:
		return addType(n.args[0].static(), n.args[1].static())
	case opLower, opUpper:
		return textType
	case opCoalesce:
		return commonType(n.args)
	case opCond:
		return commonType(n.args[1:])
	}
	if n.op < opAdd {
		return boolType
	}
	return numberType
}

func staticOf(k event.Kind) static {
	switch k {
	case event.Null:
		return nullType
	case event.False, event.True:
		return boolType
	case event.String:
		return textType
	default:
		return numberType
	}
}

// addType is that of a sum: + joins strings only with strings.
func addType(a, b static) static {
	switch {
	case a == textType || b == textType:
		return textType
	case a != anyType || b != anyType:
		return numberType
	default:
		return anyType
	}
}

// commonType is that of a choice among nodes.
func commonType(nodes []*node) static {
	common := nullType
	for _, n := range nodes {
		switch t := n.static(); {
		case t == nullType || t == common:
		case common == nullType:
			common = t
		default:
			return anyType
		}
	}
	return common
}

// isSmall reports whether the node is a number below 2^53, which no Integer
// equals, so that comparing by float64 is exact.
func (n *node) isSmall() bool {
	const limit = 1 << 53
	return n.op == opLiteral && n.lit.Kind == event.Number && n.lit.Num < limit && n.lit.Num > -limit
}
