package sink

import "github.com/llm-optimizer/processor/result"

// Describer is a sink that wants to know beforehand what rows will look like.
type Describer interface {
	// Describe is called once, before Open, with the queries whose results the
	// sink will be given; none for one of late events or dead letters. An error
	// says what it cannot take; several are joined (errors.Join).
	Describe(queries []*result.Query) error
}

// Replacer is a sink that may keep one row for each window.
type Replacer interface {
	// Replaces reports whether a later row of a window takes the place of an
	// earlier one. Queries that discard are refused then, as each of their rows
	// holds only what is new.
	Replaces() bool
}

// Bounder is a sink that may find rows by the bounds of their window.
type Bounder interface {
	// FixedBounds reports whether all rows of a window must have the same bounds.
	// Queries with sessions, which grow, and with global windows, which have
	// none, are refused then.
	FixedBounds() bool
}
