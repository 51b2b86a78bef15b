package expr

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

var (
	null    = event.Value{}
	invalid = event.Value{Kind: event.Invalid}
	object  = event.Value{Kind: event.Composite}
	yes, no = event.Bool(true), event.Bool(false)
)

func num(f float64) event.Value { return event.Float(f) }

// unsigned is an integer beyond int64 that no float64 holds.
func unsigned(u uint64) event.Value {
	return event.Value{Kind: event.Integer, Num: float64(u), Str: strconv.FormatUint(u, 10)}
}

func TestEval(t *testing.T) {
	type values = []event.Value
	tests := []struct {
		expr string
		row  values // a, b, c, m.x
		want event.Value
	}{
		// A missing field is null; only == null and != null ask for it.
		{`a`, values{}, null},
		{`m.x`, values{null, null, null, num(3)}, num(3)},
		{`a == null`, values{}, yes},
		{`a != null`, values{}, no},
		{`null == a`, values{num(0)}, no},
		{`nil != a`, values{num(0)}, yes},
		{`is_null(a)`, values{}, yes},
		{`is_null(a)`, values{event.Text("")}, no},
		{`null == null`, nil, yes},
		{`(a + b) == null`, values{num(1)}, yes},
		{`(a - b) == null`, values{num(1), yes}, no},

		// Comparison with null is false.
		{`a == b`, values{}, no},
		{`a != b`, values{num(1)}, no},
		{`a != "x"`, values{}, no},
		{`a != 5`, values{}, no},
		{`a < 5`, values{}, no},
		{`a != true`, values{}, no},
		{`a < null`, values{num(1)}, no},
		{`null != a + 1`, values{}, no},
		{`a in ["x", 1, true]`, values{}, no},

		// Comparison of unlike types is false.
		{`a == "1"`, values{num(1)}, no},
		{`a != "1"`, values{num(1)}, no},
		{`a != 1`, values{event.Text("1")}, no},
		{`a == b`, values{num(1), yes}, no},
		{`a != b`, values{event.Text("true"), yes}, no},
		{`a < b`, values{event.Text("a"), num(3)}, no},
		{`a != true`, values{num(1)}, no},
		{`lower(a) != 5`, values{event.Text("x")}, no},
		{`(a > 1) != 5`, values{num(3)}, no},
		{`5 != lower(a)`, values{event.Text("x")}, no},

		// Numbers by value, integers exactly.
		{`a == 1`, values{num(1)}, yes},
		{`a == 1.0`, values{num(1)}, yes},
		{`a >= 1 && a <= 1`, values{num(1)}, yes},
		{`a > 1`, values{num(1)}, no},
		{`1 < a`, values{num(2)}, yes},
		{`0x10 == a`, values{num(16)}, yes},
		{`a == 9007199254740993`, values{event.Int(9007199254740993)}, yes},
		{`a == 9007199254740993`, values{num(9007199254740992)}, no},
		{`a < 9007199254740993`, values{num(9007199254740992)}, yes},
		{`a > 9007199254740993`, values{num(9007199254740994)}, yes},
		{`a == 9007199254740992`, values{event.Int(9007199254740993)}, no},
		{`a > 9007199254740992`, values{event.Int(9007199254740993)}, yes},
		{`a == -9007199254740993`, values{event.Int(-9007199254740993)}, yes},
		{`a < -9007199254740992`, values{event.Int(-9007199254740993)}, yes},
		{`a > 5`, values{event.Int(9007199254740993)}, yes},
		{`a < 5`, values{event.Int(-9007199254740993)}, yes},
		{`a < b`, values{event.Int(math.MaxInt64 - 1), event.Int(math.MaxInt64)}, yes},
		{`a == b`, values{event.Int(math.MaxInt64 - 1), event.Int(math.MaxInt64)}, no},
		{`a < b`, values{event.Int(-math.MaxInt64), event.Int(1 - math.MaxInt64)}, yes},
		{`a < b`, values{unsigned(math.MaxUint64), num(1 << 64)}, yes},
		{`a > b`, values{unsigned(math.MaxUint64), event.Int(math.MaxInt64)}, yes},
		// The nearest float64 is 2^60 for both; its shortest digits would be wrong.
		{`a < b`, values{num(1 << 60), event.Int(1<<60 + 14)}, yes},
		{`a in [9007199254740993]`, values{event.Int(9007199254740993)}, yes},
		{`a in [9007199254740992]`, values{event.Int(9007199254740993)}, no},

		// Strings by bytes, bools by == and != only.
		{`a == "x"`, values{event.Text("x")}, yes},
		{`a == "x"`, values{event.Text("xy")}, no},
		{`a != "x"`, values{event.Text("y")}, yes},
		{`"x" == a`, values{event.Text("x")}, yes},
		{`a == ""`, values{event.Text("")}, yes},
		{`a < "b"`, values{event.Text("a")}, yes},
		{`a >= "Z"`, values{event.Text("a")}, yes},
		{`a <= b`, values{event.Text("a"), event.Text("ä")}, yes},
		{`a == b`, values{event.Text("é"), event.Text("é")}, yes},
		{`a == true`, values{yes}, yes},
		{`a != true`, values{no}, yes},
		{`true != a`, values{yes}, no},
		{`a == b`, values{yes, yes}, yes},
		{`a != b`, values{yes, no}, yes},
		{`a <= b`, values{no, yes}, no},
		{`a >= true`, values{yes}, no},
		{`a <= b`, values{yes, yes}, no},

		// An object is not null, otherwise a wrong type.
		{`a == null`, values{object}, no},
		{`a != null`, values{object}, yes},
		{`a == a`, values{object}, no},
		{`a != 1`, values{object}, no},
		{`a + 1`, values{object}, invalid},
		{`len(a)`, values{object}, invalid},

		// Arithmetic.
		{`a + b * 2`, values{num(1), num(3)}, num(7)},
		{`(a + b) * 2`, values{num(1), num(3)}, num(8)},
		{`a - b - 1`, values{num(10), num(3)}, num(6)},
		{`a / b`, values{num(1), num(4)}, num(0.25)},
		{`a % b`, values{num(7), num(4)}, num(3)},
		{`-a % b`, values{num(7), num(4)}, num(-3)},
		{`2 ** 3 ** 2`, nil, num(512)},
		{`-a ** 2`, values{num(3)}, num(-9)},
		{`-(a)`, values{num(0)}, num(0)},
		{`a + b`, values{num(1)}, null},
		{`a * b`, values{null, event.Text("x")}, null},
		{`-a`, values{}, null},
		{`a - b`, values{num(1), event.Text("x")}, invalid},
		{`a + b`, values{num(1), yes}, invalid},
		{`a + 1`, values{event.Text("x")}, invalid},
		{`-a`, values{event.Text("x")}, invalid},
		{`(a - b) + 1`, values{num(1), event.Text("x")}, invalid},
		{`lower(a) * 2`, values{event.Text("x")}, invalid},
		{`(a > 1) + 2`, values{num(2)}, invalid},
		{`min(upper(a), 2)`, values{event.Text("x")}, invalid},
		{`a / b`, values{num(1), num(0)}, null},
		{`a % b`, values{num(1), num(0)}, null},
		{`a / b`, values{num(0), num(0)}, null},
		{`a * b`, values{num(1e200), num(1e200)}, null},
		{`a + b`, values{num(math.MaxFloat64), num(math.MaxFloat64)}, null},
		{`a ** 0.5`, values{num(-1)}, null},
		{`a + 1`, values{event.Int(math.MaxInt64)}, num(1 << 63)},

		// Joining strings.
		{`a + b`, values{event.Text("x"), event.Text("y")}, event.Text("xy")},
		{`a + "-" + b`, values{event.Text("x"), event.Text("y")}, event.Text("x-y")},
		{`a + "-"`, values{num(1)}, invalid},
		{`a + "-"`, values{}, null},
		{`a + ""`, values{event.Text("")}, event.Text("")},

		// Logic: only true is true.
		{`a && b`, values{yes, yes}, yes},
		{`a && b`, values{yes, num(1)}, no},
		{`a and b`, values{yes, null}, no},
		{`a || b`, values{null, yes}, yes},
		{`a or b`, values{event.Text("x"), num(1)}, no},
		{`!a`, values{}, yes},
		{`!a`, values{yes}, no},
		{`not a`, values{num(1)}, yes},
		{`!(a > 5)`, values{}, yes},
		{`!(a - b)`, values{num(1), event.Text("x")}, yes},
		{`a || b && c`, values{yes, no, no}, yes},
		{`(a || b) && c`, values{yes, no, no}, no},

		// Choices.
		{`coalesce(a, b, "unknown")`, values{}, event.Text("unknown")},
		{`coalesce(a, b, "unknown")`, values{null, num(2)}, num(2)},
		{`coalesce(a, b, "unknown")`, values{no}, no},
		{`coalesce(a, b)`, values{}, null},
		{`coalesce(a - b, 1)`, values{num(1), event.Text("x")}, invalid},
		{`coalesce(a)`, values{num(1)}, num(1)},
		{`a ?? b ?? 3`, values{}, num(3)},
		{`a ?? ""`, values{}, event.Text("")},
		{`coalesce(a, 9007199254740993)`, values{}, event.Int(9007199254740993)},
		{`a ? b : c`, values{yes, num(1), num(2)}, num(1)},
		{`a ? b : c`, values{null, num(1), num(2)}, num(2)},
		{`a ? b : c`, values{num(1), num(1), event.Text("z")}, event.Text("z")},
		{`a > 1 ? "big" : a > 0 ? "small" : "none"`, values{num(1)}, event.Text("small")},

		// Lists and strings.
		{`a in ["x", "y"]`, values{event.Text("y")}, yes},
		{`a in ["x", "y"]`, values{event.Text("z")}, no},
		{`a in [1, -2.5, "1", true]`, values{num(-2.5)}, yes},
		{`a in [1, -2.5, "1", true]`, values{yes}, yes},
		{`a in [1, -2.5, "1", true]`, values{no}, no},
		{`a in [1, 2]`, values{event.Text("1")}, no},
		{`a in []`, values{num(1)}, no},
		{`a in ["1","2","3","4","5","6","7","8","9"]`, values{event.Text("9")}, yes},
		{`a in ["1","2","3","4","5","6","7","8","9"]`, values{event.Text("0")}, no},
		{`a not in ["x"]`, values{event.Text("y")}, yes},
		{`a not in ["x"]`, values{}, yes},
		{`abs(a) in [5]`, values{num(-5)}, yes},
		{`lower(a) in [5]`, values{event.Text("5")}, no},
		{`a startsWith "gpt"`, values{event.Text("gpt-x")}, yes},
		{`a endsWith b`, values{event.Text("gpt-x"), event.Text("-x")}, yes},
		{`a contains "pt"`, values{event.Text("gpt-x")}, yes},
		{`a contains "q"`, values{event.Text("gpt-x")}, no},
		{`a contains b`, values{event.Text("1"), num(1)}, no},
		{`a contains "1"`, values{num(1)}, no},
		{`a contains "" `, values{}, no},
		{`abs(a) contains "1"`, values{num(1)}, no},
		{`a matches "^gpt-[0-9]+$"`, values{event.Text("gpt-4")}, yes},
		{`a matches "^gpt-[0-9]+$"`, values{event.Text("gpt-x")}, no},
		{`a matches "."`, values{num(1)}, no},

		// Functions.
		{`lower(a)`, values{event.Text("GPT-4Ä")}, event.Text("gpt-4ä")},
		{`lower(a)`, values{event.Text("@AZ[`az{ xY")}, event.Text("@az[`az{ xy")},
		{`upper(a)`, values{event.Text("@AZ[`az{ xY")}, event.Text("@AZ[`AZ{ XY")},
		{`lower(a)`, values{event.Text("done")}, event.Text("done")},
		{`upper(a)`, values{event.Text("straße ı")}, event.Text("STRAßE I")}, // letter by letter
		{`upper(a)`, values{num(1)}, invalid},
		{`lower(a)`, values{}, null},
		{`len(a)`, values{event.Text("äöü")}, num(3)},
		{`len(a)`, values{}, null},
		{`abs(a)`, values{num(-1.5)}, num(1.5)},
		{`floor(a)`, values{num(-1.5)}, num(-2)},
		{`ceil(a)`, values{num(-1.5)}, num(-1)},
		{`round(a)`, values{num(2.5)}, num(3)},
		{`round(a)`, values{num(-2.5)}, num(-3)},
		{`abs(a)`, values{yes}, invalid},
		{`min(a, b)`, values{num(2), num(1)}, num(1)},
		{`max(a, b, 7)`, values{num(2), num(1)}, num(7)},
		{`max(a, b)`, values{num(2)}, null},
		{`max(a, b)`, values{num(2), event.Text("x")}, invalid},
		{`true`, nil, yes},
		{`"x"`, nil, event.Text("x")},
	}
	for _, test := range tests {
		row := append(slices.Clone(test.row), make(values, len(fields)-len(test.row))...)
		rows := [][]event.Value{row, row}
		e := mustParse(t, test.expr)
		for i, got := range evalRows(t, e, rows, useBoth) {
			if got != test.want {
				t.Errorf("%s of %v, row %d: got %+v, want %+v", test.expr, row, i, got, test.want)
			}
		}
		kept := filterRows(t, e, rows)
		if want := test.want.Kind == event.True; (len(kept) == 2) != want || !want && len(kept) > 0 {
			t.Errorf("filter by %s of %v: kept %v, want %v", test.expr, row, kept, want)
		}
	}
}

func TestFilterKeepsSelection(t *testing.T) {
	var rows [][]event.Value
	for i := range 20 {
		rows = append(rows, []event.Value{num(float64(i)), event.Text(strconv.Itoa(i % 3)), null, null})
	}
	for expr, want := range map[string][]int32{
		`a > 5`:                        {7, 9, 19},
		`a > 5 && b == "0"`:            {9},
		`a == 1 || b == "1"`:           {1, 4, 7, 19},
		`!(a > 5)`:                     {1, 4},
		`a != null && a >= 4 && a < 9`: {4, 7},
		`lower(b + "X") == "1x" && upper(b)=="1"`: {1, 4, 7, 19},
		`c`:    {},
		`true`: {1, 4, 7, 9, 19},
	} {
		e := mustParse(t, expr)
		b := newBatch(rows, usesByField(e, Use{}))
		extra := len(b.Extra)
		got := mustCompile(t, e, Use{}).Filter(b, []int32{1, 4, 7, 9, 19}, []int32{-1})
		if !slices.Equal(got, append([]int32{-1}, want...)) {
			t.Errorf("%s: got %v, want -1 and %v", expr, got, want)
		}
		if len(b.Extra) != extra {
			t.Errorf("%s: Extra grew from %d to %d", expr, extra, len(b.Extra))
		}
	}
}

func TestEvalWithoutText(t *testing.T) {
	e := mustParse(t, `a + b`)
	rows := [][]event.Value{{event.Text("x"), event.Text("y"), null, null}, {num(1), num(2), null, null}}
	b := newBatch(rows, usesByField(e, useNumeric))
	extra := len(b.Extra)
	var out event.Column
	mustCompile(t, e, useNumeric).Eval(b, &out)
	if out.Kind[0] != event.String || out.Num[1] != 3 || len(out.Str) != 0 || len(b.Extra) != extra {
		t.Errorf("got %+v and %d bytes of Extra, want a String, 3, no text, and %d", out, len(b.Extra), extra)
	}
}

func TestEvalGivesScratchBack(t *testing.T) {
	e := mustParse(t, `len(a + b)`)
	b := newBatch([][]event.Value{{event.Text("x"), event.Text("y"), null, null}}, usesByField(e, useNumeric))
	extra := len(b.Extra)
	var out event.Column
	mustCompile(t, e, useNumeric).Eval(b, &out)
	if out.Num[0] != 2 || len(b.Extra) != extra {
		t.Errorf("got %v and %d bytes of Extra, want 2 and %d", out.Num, len(b.Extra), extra)
	}
}

func TestChoicesByRow(t *testing.T) {
	rows := [][]event.Value{{num(1), yes, null, null}, {null, num(2), null, null}, {null, null, num(3), null}, {}}
	rows[3] = make([]event.Value, len(fields))
	for src, want := range map[string][]event.Value{
		`coalesce(a, b, c)`:        {num(1), num(2), num(3), null},
		`coalesce(a, b, c, "d")`:   {num(1), num(2), num(3), event.Text("d")},
		`b ? a + 1 : c`:            {num(2), null, num(3), null},
		`a == null ? c : upper(b)`: {invalid, null, num(3), null},
	} {
		if got := evalRows(t, mustParse(t, src), rows, useBoth); !slices.Equal(got, want) {
			t.Errorf("%s: got %+v, want %+v", src, got, want)
		}
	}
}

func TestEvalEmptyBatch(t *testing.T) {
	e := mustParse(t, `coalesce(a + 1, "x") == "x" ? lower(b) : min(a, 2)`)
	if got := evalRows(t, e, nil, useBoth); len(got) != 0 {
		t.Errorf("got %v, want nothing", got)
	}
}

func TestNoRoomForText(t *testing.T) {
	b := &event.Batch{}
	if !hasRoom(b, event.MaxBatchBytes-1) || hasRoom(b, event.MaxBatchBytes) {
		t.Error("room is not bounded by what a Ref can reach")
	}
}

func TestCompileUnknownField(t *testing.T) {
	_, err := Compile(mustParse(t, `a + nope.x`), fieldIndex, useNumeric)
	if err == nil || !strings.Contains(err.Error(), "field nope.x has no column") {
		t.Errorf("got %v, want an error that names nope.x", err)
	}
	if e := new(Error); errors.As(err, &e) {
		t.Errorf("%v is no mistake of the expression's author", err)
	}
}

func TestProgramString(t *testing.T) {
	if got := mustCompile(t, mustParse(t, `a  and b`), Use{}).String(); got != "a && b" {
		t.Errorf("got %s", got)
	}
}

func TestAllRows(t *testing.T) {
	var buf []int32
	for _, n := range []int{3, 1, 0, 5, 2, 5, 100} {
		buf = AllRows(n, buf)
		if len(buf) != n {
			t.Fatalf("got %d rows, want %d", len(buf), n)
		}
		for i, r := range buf {
			if int(r) != i {
				t.Fatalf("%d rows: row %d is %d", n, i, r)
			}
		}
	}
}
