package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with a config.
type Problem struct {
	// File, Line and Column are where, counted from 1, the column in
	// characters.
	File         string
	Line, Column int
	// Variable is the environment variable that brought the value; File, Line
	// and Column mean nothing then.
	Variable string
	// Path is the setting: "queries.0.window"; empty for the whole file.
	Path string
	// Message says what is wrong and what would be right.
	Message string
}

// Error is the problem as one line, FILE:LINE:COLUMN: MESSAGE, or
// VARIABLE: MESSAGE.
func (p Problem) Error() string {
	if p.Variable != "" {
		return p.Variable + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Error is everything that is wrong with a config, by position.
type Error struct{ Problems []Problem }

// Error is a line for each problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// add notes a problem with the setting at path.
func (l *loader) add(path string, at place, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if path != "" {
		message = path + ": " + message
	}
	l.problems = append(l.problems, Problem{
		File: l.file, Line: at.line, Column: at.column, Variable: at.variable,
		Path: path, Message: message,
	})
}

// known reports whether a problem with path, or with something above or below
// it, is noted: what follows from it need not be told.
func (l *loader) known(path string) bool {
	return slices.ContainsFunc(l.problems, func(p Problem) bool {
		return p.Path == path || strings.HasPrefix(path, p.Path+".") || strings.HasPrefix(p.Path, path+".")
	})
}

// err returns the problems as an Error, nil when there are none.
func (l *loader) err() error {
	if len(l.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		if c := strings.Compare(a.Variable, b.Variable); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{Problems: l.problems}
}
