package expr

import (
	"math"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/parser/utils"

	"github.com/llm-optimizer/processor/event"
)

// Precedences, as the parser has them; an operand that binds less than its
// place demands is put in parentheses.
const (
	precCond    = 5
	precOr      = 10
	precAnd     = 15
	precNot     = 16
	precCompare = 20
	precAdd     = 30
	precMul     = 60
	precNeg     = 90
	precPow     = 100
	precPrimary = 1000
)

// infix are the binary operators but comparisons.
var infix = map[op]struct {
	text string
	prec int
}{
	opAnd: {"&&", precAnd}, opOr: {"||", precOr},
	opContains: {"contains", precCompare}, opStartsWith: {"startsWith", precCompare},
	opEndsWith: {"endsWith", precCompare}, opMatches: {"matches", precCompare},
	opAdd: {"+", precAdd}, opSub: {"-", precAdd},
	opMul: {"*", precMul}, opDiv: {"/", precMul}, opMod: {"%", precMul}, opPow: {"**", precPow},
}

var orderText = map[order]string{
	less: "<", lessEqual: "<=", greater: ">", greaterEqual: ">=", equal: "==", notEqual: "!=",
}

func (n *node) prec() int {
	switch n.op {
	case opCond:
		return precCond
	case opNot:
		return precNot
	case opIsNull, opNotNull, opCompare, opIn:
		return precCompare
	case opNeg:
		return precNeg
	case opLiteral:
		// Printed with a sign it is a unary minus to the parser.
		if strings.HasPrefix(literalText(n.lit), "-") {
			return precNeg
		}
	}
	if in, ok := infix[n.op]; ok {
		return in.prec
	}
	return precPrimary
}

// format is the canonical text of a tree.
func format(n *node) string {
	var p printer
	p.node(n, 0)
	return p.String()
}

type printer struct{ strings.Builder }

// node prints n in a place that demands at least the precedence.
func (p *printer) node(n *node, demand int) {
	if n.prec() < demand {
		p.WriteByte('(')
		defer p.WriteByte(')')
	}
	switch n.op {
	case opField:
		p.WriteString(FormatPath(n.path))
	case opLiteral:
		p.WriteString(literalText(n.lit))
	case opNot:
		p.WriteByte('!')
		p.node(n.args[0], precPrimary)
	case opNeg:
		p.WriteByte('-')
		p.node(n.args[0], precPrimary)
	case opIsNull:
		p.node(n.args[0], precCompare+1)
		p.WriteString(" == null")
	case opNotNull:
		p.node(n.args[0], precCompare+1)
		p.WriteString(" != null")
	case opCompare:
		p.binary(n, orderText[n.order], precCompare+1, precCompare+1)
	case opIn:
		p.node(n.args[0], precCompare+1)
		p.WriteString(" in ")
		p.list(n.list)
	case opCond:
		p.node(n.args[0], precOr)
		p.WriteString(" ? ")
		p.node(n.args[1], precOr)
		p.WriteString(" : ")
		p.node(n.args[2], precOr)
	default:
		p.other(n)
	}
}

func (p *printer) other(n *node) {
	in, ok := infix[n.op]
	switch {
	case !ok:
		p.call(n)
	case n.op == opPow:
		p.binary(n, in.text, precPrimary, precPrimary)
	case n.op == opAdd || n.op == opSub || n.op == opMul || n.op == opDiv || n.op == opMod:
		p.binary(n, in.text, in.prec, in.prec+1)
	default:
		p.binary(n, in.text, in.prec+1, in.prec+1)
	}
}

// binary prints the operands, of which && and || have any number.
func (p *printer) binary(n *node, operator string, first, rest int) {
	p.node(n.args[0], first)
	for _, arg := range n.args[1:] {
		p.WriteByte(' ')
		p.WriteString(operator)
		p.WriteByte(' ')
		p.node(arg, rest)
	}
}

func (p *printer) call(n *node) {
	p.WriteString(functionName(n.op))
	p.WriteByte('(')
	for i, arg := range n.args {
		if i > 0 {
			p.WriteString(", ")
		}
		p.node(arg, 0)
	}
	p.WriteByte(')')
}

func (p *printer) list(values []event.Value) {
	p.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			p.WriteString(", ")
		}
		p.WriteString(literalText(v))
	}
	p.WriteByte(']')
}

// literalText prints a value so that it parses to the same one.
func literalText(v event.Value) string {
	if v.Kind != event.Number {
		return string(v.AppendJSON(nil))
	}
	if v.Num == math.Trunc(v.Num) && math.Abs(v.Num) < 1<<63 {
		return strconv.FormatInt(int64(v.Num), 10)
	}
	if a := math.Abs(v.Num); a < 1e-6 || a >= 1<<63 {
		return strconv.FormatFloat(v.Num, 'e', -1, 64)
	}
	return strconv.FormatFloat(v.Num, 'f', -1, 64)
}

// FormatPath is a path as it is written in expressions: metadata.tenant,
// data["a.b"], $env["odd name"].
func FormatPath(path []string) string {
	var out []byte
	for i, name := range path {
		switch plain := utils.IsValidIdentifier(name) && !isReserved(name); {
		case plain && i == 0:
			out = append(out, name...)
		case plain:
			out = append(append(out, '.'), name...)
		default:
			if i == 0 {
				out = append(out, root...)
			}
			out = append(event.AppendString(append(out, '['), name), ']')
		}
	}
	return string(out)
}

// root stands for the event itself, as in $env["odd name"].
const root = "$env"

// keywords are the names that cannot stand for a field by themselves.
var keywords = map[string]bool{
	"in": true, "not": true, "and": true, "or": true, "let": true, "contains": true, "matches": true,
	"startsWith": true, "endsWith": true, root: true,
}

// isReserved reports whether a name is a keyword or looks like a literal:
// NULL and True are refused rather than taken for missing fields.
func isReserved(name string) bool { return keywords[name] || literalLike(name) != "" }

// literalLike is the literal that a name in other capitals is mistaken for.
func literalLike(name string) string {
	for _, literal := range []string{"null", "nil", "true", "false"} {
		if strings.EqualFold(name, literal) {
			return literal
		}
	}
	return ""
}
