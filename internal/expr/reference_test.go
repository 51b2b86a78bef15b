package expr

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

// tree is an expression by itself, evaluated in the slow and obvious way: one
// row at a time, straight from the rules in the package's documentation.
type tree struct {
	op   string // "field", "literal", "in", a function or an operator
	args []tree
	i    int // the field
	lit  event.Value
	list []event.Value
}

// text writes the tree with parentheses around everything.
func (t tree) text() string {
	args := make([]string, len(t.args))
	for i, a := range t.args {
		args[i] = a.text()
	}
	switch {
	case t.op == "field":
		return FormatPath(fields[t.i])
	case t.op == "literal":
		return "(" + literalText(t.lit) + ")"
	case t.op == "in":
		list := make([]string, len(t.list))
		for i, v := range t.list {
			list[i] = literalText(v)
		}
		return "(" + args[0] + " in [" + strings.Join(list, ", ") + "])"
	case t.op == "?":
		return "(" + args[0] + " ? " + args[1] + " : " + args[2] + ")"
	case t.op == "!" || t.op == "neg":
		return "(" + strings.Replace(t.op, "neg", "-", 1) + args[0] + ")"
	case functions[t.op] != function{}:
		return t.op + "(" + strings.Join(args, ", ") + ")"
	default:
		return "(" + args[0] + " " + t.op + " " + args[1] + ")"
	}
}

func (t tree) eval(row []event.Value) event.Value {
	arg := func(i int) event.Value { return t.args[i].eval(row) }
	isNull := func(i int) bool { return arg(i).Kind == event.Null }
	switch t.op {
	case "field":
		return row[t.i]
	case "literal":
		return t.lit
	case "is_null":
		return event.Bool(isNull(0))
	case "in":
		return event.Bool(slices.ContainsFunc(t.list, func(v event.Value) bool { return refCompare("==", arg(0), v) }))
	case "!":
		return event.Bool(arg(0).Kind != event.True)
	case "&&":
		return event.Bool(arg(0).Kind == event.True && arg(1).Kind == event.True)
	case "||":
		return event.Bool(arg(0).Kind == event.True || arg(1).Kind == event.True)
	case "?":
		if arg(0).Kind == event.True {
			return arg(1)
		}
		return arg(2)
	case "coalesce":
		if isNull(0) {
			return arg(1)
		}
		return arg(0)
	case "==", "!=":
		for i := range 2 {
			if o := t.args[1-i]; o.op == "literal" && o.lit.Kind == event.Null {
				return event.Bool(isNull(i) == (t.op == "=="))
			}
		}
		return event.Bool(refCompare(t.op, arg(0), arg(1)))
	case "<", "<=", ">", ">=":
		return event.Bool(refCompare(t.op, arg(0), arg(1)))
	case "contains", "startsWith", "endsWith", "matches":
		return event.Bool(refSearch(t.op, arg(0), arg(1)))
	case "lower", "upper", "len":
		return refText(t.op, arg(0))
	}
	values := []event.Value{arg(0)}
	if len(t.args) > 1 {
		values = append(values, arg(1))
	}
	return refNumber(t.op, values)
}

func refCompare(op string, x, y event.Value) bool {
	var c int
	switch isBoolean := func(v event.Value) bool { return v.Kind == event.True || v.Kind == event.False }; {
	case x.Kind.IsNumber() && y.Kind.IsNumber():
		c = exact(x).Cmp(exact(y))
	case x.Kind == event.String && y.Kind == event.String:
		c = strings.Compare(x.Str, y.Str)
	case isBoolean(x) && isBoolean(y) && op == "==":
		return x.Kind == y.Kind
	case isBoolean(x) && isBoolean(y) && op == "!=":
		return x.Kind != y.Kind
	default:
		return false
	}
	return map[string]bool{"==": c == 0, "!=": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[op]
}

// exact is a number with all its digits.
func exact(v event.Value) *big.Rat {
	if v.Kind == event.Integer {
		r, _ := new(big.Rat).SetString(v.Str)
		return r
	}
	return new(big.Rat).SetFloat64(v.Num)
}

func refSearch(op string, x, y event.Value) bool {
	if x.Kind != event.String || y.Kind != event.String {
		return false
	}
	switch op {
	case "contains":
		return strings.Contains(x.Str, y.Str)
	case "startsWith":
		return strings.HasPrefix(x.Str, y.Str)
	case "endsWith":
		return strings.HasSuffix(x.Str, y.Str)
	default:
		return regexp.MustCompile(y.Str).MatchString(x.Str)
	}
}

func refText(op string, x event.Value) event.Value {
	switch {
	case x.Kind == event.Null:
		return null
	case x.Kind != event.String:
		return invalid
	case op == "len":
		return num(float64(utf8.RuneCountInString(x.Str)))
	case op == "lower":
		return event.Text(strings.ToLower(x.Str))
	default:
		return event.Text(strings.ToUpper(x.Str))
	}
}

func refNumber(op string, args []event.Value) event.Value {
	x, y := args[0], args[len(args)-1]
	switch {
	case x.Kind == event.Null || y.Kind == event.Null:
		return null
	case op == "+" && x.Kind == event.String && y.Kind == event.String:
		return event.Text(x.Str + y.Str)
	case !x.Kind.IsNumber() || !y.Kind.IsNumber():
		return invalid
	}
	a, b := x.Num, y.Num
	switch op {
	case "+":
		return num(a + b)
	case "-":
		return num(a - b)
	case "*":
		return num(a * b)
	case "/":
		return num(a / b)
	case "%":
		return num(math.Mod(a, b))
	case "**":
		return num(math.Pow(a, b))
	case "neg":
		return num(-a)
	case "abs":
		return num(math.Abs(a))
	case "floor":
		return num(math.Floor(a))
	case "ceil":
		return num(math.Ceil(a))
	case "round":
		return num(math.Round(a))
	case "min":
		return num(math.Min(a, b))
	default:
		return num(math.Max(a, b))
	}
}

// scalars are few, so that they are often equal or next to each other.
var scalars = []event.Value{
	null, yes, no, num(0), num(1), num(-1), num(2.5), num(1 << 53), num(1<<53 + 2), num(1e300), num(-1e300),
	event.Int(1<<53 + 1), event.Int(-1<<53 - 1), event.Int(math.MaxInt64), event.Int(math.MaxInt64 - 1),
	event.Text(""), event.Text("a"), event.Text("b"), event.Text("ab"), event.Text("AB"), event.Text("ä"), event.Text("1"),
}

func drawRows(t *rapid.T) [][]event.Value {
	value := rapid.SampledFrom(append(slices.Clone(scalars), object, invalid, unsigned(math.MaxUint64), num(1<<63)))
	rows := make([][]event.Value, rapid.IntRange(0, 12).Draw(t, "rows"))
	for i := range rows {
		rows[i] = rapid.SliceOfN(value, len(fields), len(fields)).Draw(t, fmt.Sprint("row", i))
	}
	return rows
}

var binaries = []string{
	"&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "**", "coalesce", "min", "max", "contains", "startsWith", "endsWith",
}

var unaries = []string{"!", "neg", "abs", "floor", "ceil", "round", "lower", "upper", "len", "is_null"}

func drawTree(t *rapid.T, depth int) tree {
	shape := rapid.IntRange(0, 13).Draw(t, "shape")
	switch {
	case depth == 0 && shape < 9 || shape < 2:
		return tree{op: "field", i: rapid.IntRange(0, len(fields)-1).Draw(t, "field")}
	case depth == 0 || shape < 4:
		return tree{op: "literal", lit: rapid.SampledFrom(scalars).Draw(t, "literal")}
	case shape < 10:
		op := rapid.SampledFrom(binaries).Draw(t, "binary")
		return tree{op: op, args: []tree{drawTree(t, depth-1), drawTree(t, depth-1)}}
	case shape == 10:
		return tree{op: "in", args: []tree{drawTree(t, depth-1)},
			list: rapid.SliceOfN(rapid.SampledFrom(scalars[1:]), 0, 12).Draw(t, "list")}
	case shape == 11:
		return tree{op: "?", args: []tree{drawTree(t, depth-1), drawTree(t, depth-1), drawTree(t, depth-1)}}
	case shape == 12 && rapid.Bool().Draw(t, "matches"):
		pattern := rapid.SampledFrom([]string{"^a", "b$", "^$", "ä", "[0-9]"}).Draw(t, "pattern")
		return tree{op: "matches", args: []tree{drawTree(t, depth-1), {op: "literal", lit: event.Text(pattern)}}}
	default:
		op, x := rapid.SampledFrom(unaries).Draw(t, "unary"), drawTree(t, depth-1)
		if op == "neg" && x.op == "literal" && x.lit.Kind.IsNumber() {
			return tree{op: "literal", lit: negate(x.lit)} // no arithmetic
		}
		return tree{op: op, args: []tree{x}}
	}
}

func TestAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			checkTree(t, drawTree(t, 4), drawRows(t))
		}
	})
}

func checkTree(t *rapid.T, root tree, rows [][]event.Value) {
	src := root.text()
	e, err := Parse(src)
	if err != nil {
		t.Fatalf("parse %s: %v", src, err)
	}
	again, err := Parse(e.String())
	if err != nil || again.String() != e.String() {
		t.Fatalf("%s: parsed again: %v, %v", e, again, err)
	}
	e = again // canonical text means the same
	sel := rapid.SliceOfN(rapid.Bool(), len(rows), len(rows)).Draw(t, "selected")
	for _, want := range []Use{{}, useNumeric, useText, useBoth} {
		p, err := Compile(e, fieldIndex, want)
		if err != nil {
			t.Fatal(err)
		}
		p.Clone().Eval(newBatch(rows, usesByField(e, want)), new(event.Column))
		checkEval(t, p, newBatch(rows, usesByField(e, want)), want, root, rows)
		// Rows of another batch, left in the scratch, must not show.
		slices.Reverse(rows)
		checkEval(t, p, newBatch(rows, usesByField(e, want)), want, root, rows)
		checkFilter(t, p, newBatch(rows, usesByField(e, want)), root, rows, sel)
	}
}

func checkEval(t *rapid.T, p *Program, b *event.Batch, want Use, root tree, rows [][]event.Value) {
	var out event.Column
	for range rows { // memory that was used before
		out.Kind, out.Num, out.Str = append(out.Kind, 7), append(out.Num, 7), append(out.Str, event.Ref{Off: 7, Len: 7})
	}
	p.Eval(b, &out)
	for i, row := range rows {
		exp, got := root.eval(row), event.Value{Kind: out.Kind[i]}
		if want.Numeric {
			got.Num = out.Num[i]
		} else {
			exp.Num = 0
		}
		if want.Text {
			got.Str = string(b.Bytes(out.Str[i]))
		} else {
			exp.Str = ""
		}
		if got != exp {
			t.Fatalf("%s of %+v for %+v: got %+v, want %+v", root.text(), row, want, got, exp)
		}
	}
}

func checkFilter(t *rapid.T, p *Program, b *event.Batch, root tree, rows [][]event.Value, selected []bool) {
	var sel, exp []int32
	for i, row := range rows {
		if selected[i] {
			sel = append(sel, int32(i))
			if root.eval(row).Kind == event.True {
				exp = append(exp, int32(i))
			}
		}
	}
	extra := len(b.Extra)
	if got := p.Filter(b, sel, nil); !slices.Equal(got, exp) {
		t.Fatalf("filter by %s: got %v, want %v", root.text(), got, exp)
	}
	if got := p.Filter(b, sel, sel[:0]); !slices.Equal(got, exp) {
		t.Fatalf("filter in place by %s: got %v, want %v", root.text(), got, exp)
	}
	if len(b.Extra) != extra {
		t.Fatalf("filter by %s left %d bytes in Extra", root.text(), len(b.Extra)-extra)
	}
}
