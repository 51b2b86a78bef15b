package expr

import "github.com/llm-optimizer/processor/event"

// Use is what a column's reader needs beside Kind. The zero Use needs nothing
// more.
type Use struct {
	// Numeric says that Num is read.
	Numeric bool
	// Text says that Str is read: the text of strings and the digits of
	// Integers.
	Text bool
}

// Or is what two readers need together.
func (u Use) Or(v Use) Use {
	return Use{Numeric: u.Numeric || v.Numeric, Text: u.Text || v.Text}
}

var (
	useBoth    = Use{Numeric: true, Text: true}
	useNumeric = Use{Numeric: true}
	useText    = Use{Text: true}
)

// argUse is what a node reads of its operand i when the node's own reader
// wants want.
func (n *node) argUse(i int, want Use) Use {
	switch n.op {
	case opCompare:
		return compareUse(n.args[i], n.args[1-i])
	case opIn:
		return listUse(n.list)
	case opContains, opStartsWith, opEndsWith, opMatches, opLen, opLower, opUpper:
		return useText
	case opAdd:
		return n.addUse(want)
	case opCoalesce:
		return want
	case opCond:
		if i == 0 {
			return Use{}
		}
		return want
	}
	if n.op < opAdd {
		return Use{}
	}
	return useNumeric
}

// compareUse is what comparing with other reads of a node.
func compareUse(self, other *node) Use {
	for _, n := range []*node{other, self} {
		switch n.static() {
		case textType:
			return useText
		case boolType, nullType:
			return Use{}
		}
	}
	if self.isSmall() || other.isSmall() {
		return useNumeric
	}
	return useBoth
}

func listUse(list []event.Value) Use {
	var u Use
	for _, v := range list {
		switch v.Kind {
		case event.Number:
			u.Numeric = true
		case event.Integer, event.String:
			u.Text = true
		}
	}
	return u
}

// addUse: whether a sum of numbers is null for overflow depends on Num even
// where only its kind is wanted; texts are joined only where they are wanted.
func (n *node) addUse(want Use) Use {
	switch n.static() {
	case textType:
		return Use{Text: want.Text}
	case numberType:
		return useNumeric
	default:
		return Use{Numeric: true, Text: want.Text}
	}
}

// fills is what computing the node writes beside Kind.
func (n *node) fills(want Use) Use {
	switch n.op {
	case opField, opLiteral, opCoalesce, opCond:
		return want
	case opAdd:
		return n.addUse(want)
	case opLower, opUpper:
		return useText
	}
	if n.op < opAdd {
		return Use{}
	}
	return useNumeric
}
