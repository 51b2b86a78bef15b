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
	if l.unset[path] {
		return // the text is not known, and what is missing of it was told
	}
	message := fmt.Sprintf(format, args...)
	if path != "" {
		message = path + ": " + message
	}
	l.problems = append(l.problems, Problem{
		File: l.file, Line: at.line, Column: at.column, Variable: at.variable,
		Path: path, Message: message,
	})
}

// follows reports whether a problem with path may follow from those before: from
// one with the same or with what is above it, or from one below it that leaves
// open what was meant.
func (l *loader) follows(before []Problem, path string) bool {
	below := false
	for _, p := range before {
		if p.Path == path || strings.HasPrefix(path, p.Path+".") {
			return true
		}
		below = below || strings.HasPrefix(p.Path, path+".")
	}
	if !below {
		return false
	}
	n, exact := lookup(l.root, path)
	s := settingOf(strings.Split(path, "."))
	return !exact || s == nil || !n.settled(s)
}

// settled reports whether it is known what was meant, in spite of problems: all
// is there that has to be, and of what is given no more than a number is wrong,
// which makes no difference to the rest, or a key that nobody knows.
func (n *node) settled(s *setting) bool {
	switch s.Kind {
	case section:
		return n.settledSection(s)
	case list:
		return n.kind == sequenceNode && !slices.ContainsFunc(n.items, func(i *node) bool { return !i.settled(s.child("*")) })
	case names:
		return n.kind == sequenceNode && !slices.ContainsFunc(n.items, func(i *node) bool { return i.value == nil })
	case exprs:
		return n.isEmpty() || n.kind == mappingNode && !slices.ContainsFunc(n.entries, func(e *entry) bool { return e.value.value == nil })
	case integer, duration, size, fraction:
		return n.kind == scalarNode
	default:
		return n.value != nil
	}
}

func (n *node) settledSection(s *setting) bool {
	if n.kind != mappingNode && n.kind != nullNode {
		return false
	}
	kinds := 0
	for _, c := range s.children {
		below := n.find(c.name())
		switch {
		case below == nil && c.Required && !(s.Off && n.isEmpty()):
			return false
		case below == nil:
			continue
		case !below.settled(c):
			return false
		}
		if s.OneOf && c.Kind == section {
			kinds++
		}
	}
	return !s.OneOf || kinds == 1
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
