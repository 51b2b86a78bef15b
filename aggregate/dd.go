package aggregate

import "math"

// dd is a number as the sum of two float64, of which lo is an ulp of hi or
// less: about 32 digits. (Dekker, A Floating-Point Technique for Extending the
// Available Precision, Numerische Mathematik 18, 1971.)
type dd struct{ hi, lo float64 }

// twoSum is a+b without error. (Knuth, The Art of Computer Programming 2, 4.2.2.)
func twoSum(a, b float64) dd {
	s := a + b
	bb := s - a
	return dd{s, (a - (s - bb)) + (b - bb)}
}

// twoMul is a*b without error.
func twoMul(a, b float64) dd {
	p := float64(a * b)
	return dd{p, math.FMA(a, b, -p)}
}

func (a dd) add(b dd) dd {
	s := twoSum(a.hi, b.hi)
	t := twoSum(a.lo, b.lo)
	s = twoSum(s.hi, s.lo+t.hi)
	return twoSum(s.hi, s.lo+t.lo)
}

func (a dd) neg() dd { return dd{-a.hi, -a.lo} }

func (a dd) mul(b dd) dd {
	p := twoMul(a.hi, b.hi)
	return twoSum(p.hi, p.lo+(float64(a.hi*b.lo)+float64(a.lo*b.hi)))
}

func (a dd) scale(f float64) dd { return a.mul(dd{hi: f}) }

func (a dd) value() float64 { return a.hi + a.lo }
