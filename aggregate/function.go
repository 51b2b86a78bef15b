package aggregate

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/llm-optimizer/processor/event"
)

// function is a Spec.Func.
type function uint8

const (
	fnCount function = iota
	fnSum
	fnAvg
	fnMin
	fnMax
	fnStdDev
	fnStdDevSamp
	fnVariance
	fnVarSamp
	fnPercentile
	fnDistinct
	fnFirst
	fnLast
	fnRate
	fnTopK
	fnCustom
)

// family is what a function needs to be kept. One state serves all functions
// of a family over one argument and filter.
type family uint8

const (
	// famEvents is the number of rows, which every slot keeps.
	famEvents family = iota
	famCounter
	famSums
	famMoments
	famSketch
	famDistinct
	famFirst
	famLast
	famTopK
	famCustom
)

// argument says whether a function takes one.
type argument uint8

const (
	argNone argument = iota
	argOptional
	argRequired
)

var functions = [...]struct {
	name   string
	family family
	arg    argument
	// numeric functions take numbers only, the others any scalar.
	numeric bool
}{
	fnCount:      {"count", famCounter, argOptional, false},
	fnSum:        {"sum", famSums, argRequired, true},
	fnAvg:        {"avg", famSums, argRequired, true},
	fnMin:        {"min", famMoments, argRequired, true},
	fnMax:        {"max", famMoments, argRequired, true},
	fnStdDev:     {"stddev", famMoments, argRequired, true},
	fnStdDevSamp: {"stddev_samp", famMoments, argRequired, true},
	fnVariance:   {"variance", famMoments, argRequired, true},
	fnVarSamp:    {"var_samp", famMoments, argRequired, true},
	fnPercentile: {"percentile", famSketch, argRequired, true},
	fnDistinct:   {"distinct", famDistinct, argRequired, false},
	fnFirst:      {"first", famFirst, argRequired, false},
	fnLast:       {"last", famLast, argRequired, false},
	fnRate:       {"rate", famCounter, argNone, false},
	fnTopK:       {"top_k", famTopK, argRequired, false},
	fnCustom:     {"custom", famCustom, argOptional, false},
}

// MaxK bounds the k of a top-k.
const MaxK = 1000

// function looks the name up.
func (s Spec) function() (function, error) {
	for i := range functions {
		if functions[i].name == s.Func {
			return function(i), nil
		}
	}
	return 0, fmt.Errorf("unknown function %q; known are %s", s.Func, strings.Join(Functions(), ", "))
}

// Functions lists the names of all functions, in the order of the
// documentation.
func Functions() []string {
	names := make([]string, len(functions))
	for i := range functions {
		names[i] = functions[i].name
	}
	return names
}

// Validate says what is wrong with the spec and what would be right. It does
// not look into the expressions.
func (s Spec) Validate() error {
	fn, err := s.function()
	if err != nil {
		return err
	}
	switch arg := functions[fn].arg; {
	case s.Arg == "" && arg == argRequired:
		return fmt.Errorf("%s needs a field or an expression: %s(latency_ms)", s.Func, s.Func)
	case s.Arg != "" && arg == argNone:
		return fmt.Errorf("%s takes no argument: write %s()", s.Func, s.Func)
	case s.Boolean && (fn != fnCount || s.Arg == ""):
		return fmt.Errorf("only the argument of a count may be marked as a comparison, not that of %s", s)
	}
	return s.validateParam(fn)
}

func (s Spec) validateParam(fn function) error {
	switch {
	case fn == fnPercentile:
		if !(s.Param >= 0 && s.Param <= 100) {
			return fmt.Errorf("percentile %v is out of range: p goes from 0 to 100", s.Param)
		}
	case fn == fnTopK:
		if !(s.Param >= 1 && s.Param <= MaxK) || s.Param != math.Trunc(s.Param) {
			return fmt.Errorf("top_k of %v values is not possible: k is a whole number from 1 to %d", s.Param, MaxK)
		}
	case s.Param != 0:
		return fmt.Errorf("%s takes no number beside its argument, not %v", s.Func, s.Param)
	case fn == fnCustom && s.Custom == nil:
		return errors.New("a custom aggregate needs Custom, which makes its accumulators")
	case fn != fnCustom && s.Custom != nil:
		return fmt.Errorf("%s has accumulators of its own; for yours set Func to custom", s.Func)
	}
	return nil
}

// Needs says what the argument's column must have beside Kind: Num when
// numeric, Str when text. Both are false without an argument and for a
// comparison, of which only Kind is read.
func (s Spec) Needs() (numeric, text bool) {
	fn, err := s.function()
	if err != nil || s.Arg == "" || s.Boolean {
		return false, false
	}
	return true, !functions[fn].numeric
}

// Accepts reports whether the aggregate can be computed on a value of the
// kind. An event for which it cannot is dead for the query. Nulls are
// accepted, and skipped.
func (s Spec) Accepts(k event.Kind) bool {
	fn, err := s.function()
	if err != nil {
		return false
	}
	if functions[fn].numeric {
		return k == event.Null || k.IsNumber()
	}
	return k.IsScalar()
}
