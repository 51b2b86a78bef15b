package otlp

import (
	"sync"
	"time"
)

// trouble is what is wrong and since when, for others to see.
type trouble struct {
	mu    sync.Mutex
	since time.Time
	err   error
}

func (t *trouble) set(err error) {
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

func (t *trouble) get() (time.Time, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.since, t.err
}
