package source

import (
	"time"

	"github.com/llm-optimizer/processor/event"
)

// Reporter is a source that can say how it gets on with the other side. Any
// goroutine may call its methods, at any time.
type Reporter interface {
	// Trouble returns what went wrong last and since when it does; a zero time
	// and nil while all is well.
	Trouble() (since time.Time, err error)
	// Lags says how far behind the reader of each open partition is, in no
	// particular order.
	Lags() []Lag
}

// Lag is how far the reader of a partition is behind.
type Lag struct {
	Origin event.Origin
	// Records is how many there are from the position to the end, -1 while that
	// is not known.
	Records int64
	// Seconds is the age of the last record that was read, by the other side's
	// clock, 0 while nothing is left to read, -1 while it is not known: also when
	// there is more to read and nothing was read yet.
	Seconds float64
}
