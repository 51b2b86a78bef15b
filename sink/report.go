package sink

import (
	"sync"
	"time"
)

// Reporter is a sink that can say how it gets on with the other side. Any
// goroutine may call its methods, at any time. The pipeline logs when a trouble
// begins and when it is over, so that the sink need not.
type Reporter interface {
	// Trouble returns what went wrong last and since when the other side has
	// not taken rows; a zero time and nil while all is well.
	Trouble() (since time.Time, err error)
	// Retries is how often something had to be tried once more since the sink
	// was made: attempts beyond the first, of connections, requests and
	// transactions alike. It never goes back.
	Retries() int64
}

// Rejecter is a sink whose other side may take a request but for a part of it,
// which it refuses for good: the sink gives that part up and goes on. Any
// goroutine may call its method, at any time.
type Rejecter interface {
	// Rejected is how much was given up so since the sink was made, in what the
	// other side counts, such as points of a metric. It never goes back.
	Rejected() int64
}

// Troubles keeps what a Reporter says: embed one, or keep it in a field. The
// zero Troubles knows of none. Its methods may be called by any goroutine.
type Troubles struct {
	mu      sync.Mutex
	since   time.Time
	err     error
	retries int64
}

// Note notes an error, or with nil that all is well. A trouble goes on, with its
// newest error, until all is well.
func (t *Troubles) Note(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.since, t.err = time.Time{}, nil
		return
	}
	if t.err == nil {
		t.since = time.Now()
	}
	t.err = err
}

// Retry counts an attempt beyond the first.
func (t *Troubles) Retry() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retries++
}

// Trouble is Reporter.Trouble.
func (t *Troubles) Trouble() (since time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.since, t.err
}

// Retries is Reporter.Retries.
func (t *Troubles) Retries() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.retries
}
