package sink

// Joiner is a sink that can take the rows of another one into its own
// transactions: late events and dead letters then become visible, or do not,
// together with the results of their epoch.
type Joiner interface {
	Sink
	// Join asks the sink to deliver all rows of a kind in the place of other,
	// to where other would. It reports whether it does: other is then not
	// opened, and the sink's batches hold rows of that kind too, beside results
	// or alone. It is called before Open.
	Join(rows Rows, other Sink) bool
}

// Rows is a kind of rows that has a sink of its own.
type Rows uint8

// The kinds of rows.
const (
	// LateEvents are events whose windows were past their allowed lateness.
	LateEvents Rows = iota
	// DeadLetters are records that are no events.
	DeadLetters
)
