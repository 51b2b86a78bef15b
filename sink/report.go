package sink

import "time"

// Reporter is a sink that can say how it gets on with the other side. Any
// goroutine may call its methods, at any time.
type Reporter interface {
	// Trouble returns what went wrong last and since when the other side has
	// not taken rows; a zero time and nil while all is well.
	Trouble() (since time.Time, err error)
	// Retries is how often something had to be tried once more since the sink
	// was made: attempts beyond the first, of connections, requests and
	// transactions alike. It never goes back.
	Retries() int64
}
