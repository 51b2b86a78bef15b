package decode

import (
	"math"
	"math/bits"
	"strconv"

	"github.com/llm-optimizer/processor/event"
)

// maxExact is up to where every integer is a float64.
const maxExact = 1 << 53

// floatPow10 are the powers of ten with at most maxDigits zeros, all exact.
var floatPow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

var uintPow10 = [...]uint64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// maxDigits is how many digits a uint64 always holds.
const maxDigits = 19

// nonDigits marks the bytes of w that are no decimal digit.
func nonDigits(w uint64) uint64 {
	t := w ^ low*'0'
	return ((t &^ high) + low*(0x80-10) | t) & high
}

// eight returns the value of eight digits, the first in the lowest byte, given
// as values and not as characters: pairs, then fours, then all.
func eight(t uint64) uint64 {
	t = (t*10 + t>>8) & 0x00ff00ff00ff00ff
	t = (t*100 + t>>16) & 0x0000ffff0000ffff
	return (t*10000 + t>>32) & 0xffffffff
}

// skipDigits returns the index of the first byte from b[i] that is no digit.
func skipDigits(b []byte, i int) int {
	for {
		m := nonDigits(load(b, i))
		if m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
}

// moreDigits is skipDigits that appends the digits to m, modulo 2^64.
func moreDigits(b []byte, i int, m uint64) (int, uint64) {
	for {
		w := load(b, i)
		n := bits.TrailingZeros64(nonDigits(w)) >> 3
		m = m*uintPow10[n] + eight((w^low*'0')<<(64-8*uint(n)))
		i += n
		if n < 8 {
			return i, m
		}
	}
}

// skipNumber validates the number at b[i].
func (s *scan) skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	end := skipDigits(b, i)
	if end == i || b[i] == '0' && end > i+1 {
		return s.failNumber(b, i, end)
	}
	if b[end] == '.' {
		point := end
		if end = skipDigits(b, point+1); end == point+1 {
			return s.fail(end, "a digit should follow the point")
		}
	}
	if b[end]|0x20 == 'e' {
		return s.exponent(b, end)
	}
	return end
}

// number reads the number at b[i]: its digits m without sign and point, and how
// many of them are the fraction. With an exponent or more than maxDigits digits
// frac is -1 and m useless.
func (s *scan) number(b []byte, i int) (end int, m uint64, frac int) {
	if b[i] == '-' {
		i++
	}
	w := load(b, i)
	n := bits.TrailingZeros64(nonDigits(w)) >> 3
	m = eight((w ^ low*'0') << (64 - 8*uint(n)))
	end = i + n
	if n == 8 {
		end, m = moreDigits(b, end, m)
	}
	if end == i || b[i] == '0' && end > i+1 {
		return s.failNumber(b, i, end), 0, 0
	}
	if b[end] == '.' {
		point := end
		w = load(b, point+1)
		n = bits.TrailingZeros64(nonDigits(w)) >> 3
		m = m*uintPow10[n] + eight((w^low*'0')<<(64-8*uint(n)))
		end = point + 1 + n
		if n == 8 {
			end, m = moreDigits(b, end, m)
		}
		if frac = end - point - 1; frac == 0 {
			return s.fail(end, "a digit should follow the point"), 0, 0
		}
		i++
	}
	if b[end]|0x20 == 'e' {
		return s.exponent(b, end), 0, -1
	}
	if end-i > maxDigits {
		return end, 0, -1
	}
	return end, m, frac
}

// exponent returns the index behind the exponent at b[i].
func (s *scan) exponent(b []byte, i int) int {
	i++
	if b[i] == '+' || b[i] == '-' {
		i++
	}
	end := skipDigits(b, i)
	if end == i {
		return s.fail(i, "a digit of the exponent should follow")
	}
	return end
}

// failNumber says what is wrong with the integer part b[i:end].
//
//go:noinline
func (s *scan) failNumber(b []byte, i, end int) int {
	switch {
	case end > i:
		return s.fail(i+1, "no digit should follow a leading zero")
	case i > 0 && b[i-1] == '-':
		return s.fail(i, "a digit should follow the minus")
	}
	return s.fail(i, "a value should begin")
}

// number is a JSON number as columns hold it.
type number struct {
	kind  event.Kind // Number, Integer, or Invalid for one beyond float64
	float float64
	abs   uint64 // of an Integer
	neg   bool
}

// appendDigits appends the canonical digits of an Integer.
func (v number) appendDigits(dst []byte) []byte {
	if v.neg {
		dst = append(dst, '-')
	}
	return strconv.AppendUint(dst, v.abs, 10)
}

// readNumber reads a literal that is not exact at once; m and frac are from
// scan.number.
func readNumber(lit []byte, m uint64, frac int) number {
	v := number{kind: event.Number, neg: lit[0] == '-'}
	var whole bool
	if frac >= 0 {
		for frac > 0 && m%10 == 0 {
			m, frac = m/10, frac-1
		}
		v.abs, whole = m, frac == 0
		v.float = quotient(m, frac)
	} else {
		var exact bool
		v.abs, exact, whole = scaled(lit, 0)
		whole = whole && exact
		f, err := strconv.ParseFloat(string(lit), 64)
		if err != nil {
			return number{kind: event.Invalid}
		}
		v.float = math.Abs(f)
	}
	if whole && !isFloat(v.abs) && (!v.neg || v.abs <= 1<<63) {
		v.kind = event.Integer
	}
	if v.neg {
		v.float = -v.float
	}
	return v
}

// isFloat reports whether a float64 holds u exactly.
func isFloat(u uint64) bool {
	return u == 0 || bits.Len64(u)-bits.TrailingZeros64(u) <= 53
}

// quotient returns the float64 nearest to m / 10^frac, frac at most maxDigits:
// a division of two normalised words gives at least 63 bits, the remainder
// tells the rest, and the conversion rounds once.
func quotient(m uint64, frac int) float64 {
	if frac == 0 || m == 0 {
		return float64(m)
	}
	by := uintPow10[frac]
	up, upBy := bits.LeadingZeros64(m), bits.LeadingZeros64(by)
	m <<= up
	q, rest := bits.Div64(m>>1, m<<63, by<<upBy)
	if rest != 0 {
		q |= 1
	}
	power := uint64(1023 - 63 - up + upBy) // biased, and far from both ends
	return float64(q) * math.Float64frombits(power<<52)
}

// scaled returns the absolute value of the JSON number lit times 10^shift,
// without what lies behind the point: exact is false when that is not zero, ok
// when a uint64 cannot hold the rest.
func scaled(lit []byte, shift int) (abs uint64, exact, ok bool) {
	i := 0
	if lit[0] == '-' {
		i++
	}
	digits, point, power := lit[i:], -1, 0
	for k, c := range digits {
		if c == '.' {
			point = k
		}
		if c|0x20 == 'e' {
			power = exponentValue(digits[k+1:])
			digits = digits[:k]
			break
		}
	}
	if point < 0 {
		point = len(digits)
	}
	keep := point + power + shift // so many digits lie before the point
	exact = true
	for k, c := range digits {
		if c == '.' {
			keep++
			continue
		}
		if k >= keep {
			exact = exact && c == '0'
			continue
		}
		hi, lo := bits.Mul64(abs, 10)
		sum, carry := bits.Add64(lo, uint64(c-'0'), 0)
		if hi != 0 || carry != 0 {
			return 0, false, false
		}
		abs = sum
	}
	for k := len(digits); k < keep && abs != 0; k++ {
		hi, lo := bits.Mul64(abs, 10)
		if hi != 0 {
			return 0, false, false
		}
		abs = lo
	}
	return abs, exact, true
}

// exponentValue reads an exponent, one too large as a very large one.
func exponentValue(b []byte) int {
	neg, v := false, 0
	for _, c := range b {
		switch {
		case c == '-':
			neg = true
		case c != '+':
			v = min(v*10+int(c-'0'), 1<<40)
		}
	}
	if neg {
		return -v
	}
	return v
}
