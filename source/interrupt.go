package source

import (
	"io"
	"time"
)

// deadliner is a reader whose reads can be interrupted: a network connection,
// or a pipe of this process.
type deadliner interface{ SetReadDeadline(time.Time) error }

// interrupt makes a read under way return, and reports whether it could.
func interrupt(r io.Reader) bool {
	d, ok := r.(deadliner)
	return ok && d.SetReadDeadline(time.Unix(1, 0)) == nil
}

// restore takes back what interrupt did.
func restore(r io.Reader) {
	if d, ok := r.(deadliner); ok {
		_ = d.SetReadDeadline(time.Time{}) // it could be set a moment ago
	}
}
