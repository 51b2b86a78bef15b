package kafka

import (
	"fmt"
	"time"
)

// Start is where a partition begins of which no position is saved. The zero
// Start is the earliest record there is.
type Start struct {
	// Latest leaves out what there was before the run.
	Latest bool
	// Time, if it is not zero, leaves out the records before the first one
	// whose Kafka timestamp is that or later.
	Time time.Time
}

// ParseStart reads earliest (or nothing), latest or a time of RFC 3339.
func ParseStart(text string) (Start, error) {
	switch text {
	case "", "earliest":
		return Start{}, nil
	case "latest":
		return Start{Latest: true}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.UnixMilli() < 0 {
		return Start{}, fmt.Errorf("start is %q: use earliest, latest, or a time since 1970 such as 2026-01-31T08:00:00Z", text)
	}
	return Start{Time: at}, nil
}

// earliest reports whether nothing is left out.
func (s Start) earliest() bool { return !s.Latest && s.Time.IsZero() }

// since is the event time before which nothing is read, 0 if all is.
func (s Start) since(now time.Time) int64 {
	switch {
	case s.Latest:
		return now.UnixNano()
	case !s.Time.IsZero():
		return s.Time.UnixNano()
	default:
		return 0
	}
}
