package expr

import (
	"math"

	"github.com/llm-optimizer/processor/event"
)

// arithmetic is x + y of numbers and the like.
type arithmetic struct {
	op   op
	x, y operand
}

func (a *arithmetic) compute(b *event.Batch, rows []int32, out *event.Column) {
	x, y := a.x.load(b, rows), a.y.load(b, rows)
	calculate(a.op, x.Num, y.Num, out.Num, rows)
	for _, r := range rows {
		out.Kind[r] = numberKind(x.Kind[r], y.Kind[r], &out.Num[r])
	}
}

// calculate does not look at kinds: what is no number is computed in vain.
func calculate(o op, x, y, out []float64, rows []int32) {
	switch o {
	case opAdd:
		for _, r := range rows {
			out[r] = x[r] + y[r]
		}
	case opSub:
		for _, r := range rows {
			out[r] = x[r] - y[r]
		}
	case opMul:
		for _, r := range rows {
			out[r] = x[r] * y[r]
		}
	case opDiv:
		for _, r := range rows {
			out[r] = x[r] / y[r]
		}
	case opMod:
		for _, r := range rows {
			out[r] = math.Mod(x[r], y[r])
		}
	case opPow:
		for _, r := range rows {
			out[r] = math.Pow(x[r], y[r])
		}
	case opMin:
		for _, r := range rows {
			out[r] = min(x[r], y[r])
		}
	case opMax:
		for _, r := range rows {
			out[r] = max(x[r], y[r])
		}
	}
}

// numberKind is the kind of a number computed from x and y; v becomes 0 where
// it is none.
func numberKind(x, y event.Kind, v *float64) event.Kind {
	if x.IsNumber() && y.IsNumber() && *v-*v == 0 {
		return event.Number
	}
	*v = 0
	return noNumber(x, y)
}

// noNumber is what computing on x and y gives when it is no number: a null
// operand makes it null, two numbers were divided by zero or overflowed.
func noNumber(x, y event.Kind) event.Kind {
	if x == event.Null || y == event.Null || x.IsNumber() && y.IsNumber() {
		return event.Null
	}
	return event.Invalid
}

// numeric is a function of one number.
type numeric struct {
	op op
	x  operand
}

func (n *numeric) compute(b *event.Batch, rows []int32, out *event.Column) {
	x := n.x.load(b, rows)
	in, num := x.Num, out.Num
	switch n.op {
	case opNeg:
		for _, r := range rows {
			num[r] = 0 - in[r]
		}
	case opAbs:
		for _, r := range rows {
			num[r] = math.Abs(in[r])
		}
	case opCeil:
		for _, r := range rows {
			num[r] = math.Ceil(in[r])
		}
	case opFloor:
		for _, r := range rows {
			num[r] = math.Floor(in[r])
		}
	case opRound:
		for _, r := range rows {
			num[r] = math.Round(in[r])
		}
	}
	for _, r := range rows {
		out.Kind[r] = numberKind(x.Kind[r], x.Kind[r], &num[r])
	}
}

// extreme is min or max of two or more numbers.
type extreme struct {
	op   op
	args []operand
}

func (e *extreme) compute(b *event.Batch, rows []int32, out *event.Column) {
	x := e.args[0].load(b, rows)
	for _, r := range rows {
		out.Kind[r], out.Num[r] = x.Kind[r], x.Num[r]
	}
	for i := range e.args[1:] {
		y := e.args[i+1].load(b, rows)
		calculate(e.op, out.Num, y.Num, out.Num, rows)
		for _, r := range rows {
			out.Kind[r] = numberKind(out.Kind[r], y.Kind[r], &out.Num[r])
		}
	}
}
