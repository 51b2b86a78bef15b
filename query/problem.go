package query

import (
	"errors"
	"strconv"

	"github.com/llm-optimizer/processor/internal/expr"
)

// Problem is one thing wrong with a query.
type Problem struct {
	// Path is the place within the query as in the config: "where",
	// "window.tumbling.size", "aggregate.p95_ms".
	Path string
	// Column is the 1-based column, in characters, within the text at Path
	// where an expression goes wrong; 0 means the whole value.
	Column int
	// Message says what is wrong and what would be right.
	Message string
}

// Error is the problem as one line.
func (p Problem) Error() string {
	if p.Column > 1 {
		return p.Path + " (column " + strconv.Itoa(p.Column) + "): " + p.Message
	}
	return p.Path + ": " + p.Message
}

// NewProblem makes a Problem of an error at a path; one of the expression parser
// brings its column.
func NewProblem(path string, err error) Problem {
	var e *expr.Error
	if !errors.As(err, &e) {
		return Problem{Path: path, Message: err.Error()}
	}
	if e.Line > 1 {
		// A column of a later line means nothing without the line.
		return Problem{Path: path, Message: "line " + strconv.Itoa(e.Line) + ": " + e.Message}
	}
	return Problem{Path: path, Column: e.Column, Message: e.Message}
}
