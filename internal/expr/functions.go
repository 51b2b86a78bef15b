package expr

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// function is one that expressions may call, with min to max arguments; max 0
// is any number.
type function struct {
	op       op
	min, max int
}

var functions = map[string]function{
	"abs":      {opAbs, 1, 1},
	"ceil":     {opCeil, 1, 1},
	"coalesce": {opCoalesce, 1, 0},
	"floor":    {opFloor, 1, 1},
	"is_null":  {opIsNull, 1, 1},
	"len":      {opLen, 1, 1},
	"lower":    {opLower, 1, 1},
	"max":      {opMax, 2, 0},
	"min":      {opMin, 2, 0},
	"round":    {opRound, 1, 1},
	"upper":    {opUpper, 1, 1},
}

// functionList is the names for messages.
var functionList = strings.Join(slices.Sorted(maps.Keys(functions)), ", ")

// functionName is the name of an op that is printed as a call.
func functionName(o op) string {
	for name, f := range functions {
		if f.op == o {
			return name
		}
	}
	return ""
}

// arity is how many arguments the function takes, in words.
func (f function) arity() string {
	switch {
	case f.max == 0:
		return fmt.Sprintf("%d or more arguments", f.min)
	case f.max == 1:
		return "1 argument"
	default:
		return fmt.Sprintf("%d arguments", f.max)
	}
}
