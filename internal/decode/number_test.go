package decode

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

func TestNumbers(t *testing.T) {
	tests := []struct {
		lit  string
		want event.Value
	}{
		{"0", num(0)}, {"7", num(7)}, {"12.0", num(12)}, {"1e3", num(1000)}, {"1E+3", num(1000)}, {"12345678", num(12345678)}, {"123456789", num(123456789)},
		{"9007199254740992", num(1 << 53)},
		{"9007199254740993", integer("9007199254740993", 1<<53)},
		{"-9007199254740993", integer("-9007199254740993", -1<<53)},
		{"9007199254740994", num(1<<53 + 2)},
		{"9007199254740993.0", integer("9007199254740993", 1<<53)},
		{"9007199254740993.000", integer("9007199254740993", 1<<53)},
		{"9007199254740993000e-3", integer("9007199254740993", 1<<53)},
		{"9.007199254740993e15", integer("9007199254740993", 1<<53)},
		{"9.007199254740993E+0015", integer("9007199254740993", 1<<53)},
		{"9007199254740993.5", num(9007199254740994)},
		{"9007199254740992.5", num(9007199254740992)},
		{"900719925474099.35", num(900719925474099.35)},
		{"9223372036854775807", integer("9223372036854775807", 1<<63)},
		{"9223372036854775808", num(1 << 63)},
		{"-9223372036854775808", num(-1 << 63)},
		{"-9223372036854775807", integer("-9223372036854775807", -1<<63)},
		{"-9223372036854775809", num(-1 << 63)},
		{"18446744073709551615", integer("18446744073709551615", 1<<64)},
		{"-18446744073709551615", num(-1 << 64)},
		{"18446744073709551616", num(1 << 64)},
		{"18446744073709551617", num(1 << 64)},
		{"1e19", num(1e19)}, {"1e20", num(1e20)}, {"12345678901234567890123", num(12345678901234567890123)},
		{"12345678901234567890", integer("12345678901234567890", 12345678901234567890)},
		{"0.1", num(0.1)}, {"0.30000000000000004", num(0.30000000000000004)}, {"0.12345678", num(0.12345678)}, {"0.1234567890123456789", num(0.1234567890123456789)},
		{"1.7976931348623157e308", num(math.MaxFloat64)}, {"5e-324", num(5e-324)}, {"1e-999", num(0)}, {"0e999999999999999999999", num(0)},
		{"1e-999999999999999999999", num(0)}, {"-0.0", num(math.Copysign(0, -1))},
		{"0.000000000000000000000000000001", num(1e-30)},
	}
	d := mustNew(t, fields("a"), unixT)
	for _, tt := range tests {
		b := decodeLines(d, `{"t":1,"a":`+tt.lit+`}`)
		if b.N != 1 {
			t.Errorf("%s: dead %+v", tt.lit, b.Dead)
			continue
		}
		if got := rowValues(b, 0)[0]; !sameValue(got, tt.want) {
			t.Errorf("%s = %+v, want %+v", tt.lit, got, tt.want)
		}
	}
}

func TestCanonicalDigitsStayInData(t *testing.T) {
	d := mustNew(t, fields("a"), unixT)
	if b := decodeLines(d, `{"t":1,"a":9007199254740993}`); len(b.Extra) != 0 {
		t.Errorf("extra %q for digits that are in the record", b.Extra)
	}
}

// quotient must round as strconv does, whatever digits it gets.
func TestQuotient(t *testing.T) {
	check := func(m uint64, frac int) (float64, float64) {
		want, _ := strconv.ParseFloat(strconv.FormatUint(m, 10)+"e-"+strconv.Itoa(frac), 64)
		return quotient(m, frac), want
	}
	for _, m := range []uint64{0, 1, 1<<53 - 1, 1 << 53, 1<<53 + 1, 1<<54 + 2, 1<<54 + 6, 1<<63 - 1, 1 << 63, 1<<63 + 1024, 1<<63 + 1025, math.MaxUint64} {
		for frac := range maxDigits + 1 {
			if got, want := check(m, frac); got != want {
				t.Errorf("%d / 10^%d = %v, want %v", m, frac, got, want)
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 200_000 {
		m, frac := r.Uint64()>>r.UintN(64), r.IntN(maxDigits+1)
		if r.IntN(4) == 0 { // a half, or next to one: mantissa of 54 bits times a power of ten
			m = (r.Uint64()>>11 | 1) / uintPow10[frac%5] * uintPow10[frac%5]
		}
		if got, want := check(m, frac); got != want {
			t.Fatalf("%d / 10^%d = %v, want %v", m, frac, got, want)
		}
	}
}

func TestNumbersProperty(t *testing.T) {
	d := mustNew(t, fields("a"), unixT)
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][-+]?[0-9]{1,3})?`)
	rapid.Check(t, func(rt *rapid.T) {
		lit := number.Draw(rt, "number")
		b, want := decodeLines(d, `{"t":1,"a":`+lit+`}`), refNumber(lit)
		if want.Kind == event.Invalid {
			if len(b.Dead) != 1 || b.Dead[0].Reason != "number" {
				rt.Fatalf("%s: %+v", lit, b.Dead)
			}
			return
		}
		if got := rowValues(b, 0)[0]; !sameValue(got, want) {
			rt.Fatalf("%s = %+v, want %+v", lit, got, want)
		}
	})
}
