package logging

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// often is how many lines of one message go out in a period.
	often  = 5
	period = 10 * time.Second
	// most is how many messages are counted at once. There are far fewer in the
	// code; one that finds no place is not limited.
	most = 512
)

// message is what makes two lines the same.
type message struct {
	level slog.Level
	text  string
}

// tally counts one message in the period that began with its first line.
type tally struct {
	began time.Time
	lines int
	held  repeated
}

// repeated are the lines of a message that were held back.
type repeated struct {
	message
	lines int
	since time.Time // the first of them
	at    time.Time // when they are told
	to    slog.Handler
}

func (r *repeated) record() slog.Record {
	out := slog.NewRecord(r.at, r.level, r.text, 0)
	out.AddAttrs(slog.Int("repeated", r.lines), slog.Time("since", r.since))
	return out
}

// repeats counts the messages of late. It has no clock: the time is that of the
// lines.
type repeats struct {
	mu   sync.Mutex
	seen map[message]*tally
	// next is when the first period of those seen ends.
	next time.Time
}

// judge says whether to write a line, and what is to be told before it.
func (c *repeats) judge(to slog.Handler, r *slog.Record) (write bool, due []repeated) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !r.Time.IsZero() && !r.Time.Before(c.next) {
		due = c.expire(r.Time)
	}
	if r.Level < slog.LevelInfo || r.Time.IsZero() {
		return true, due
	}
	m := message{r.Level, r.Message}
	t := c.seen[m]
	if t == nil {
		if len(c.seen) >= most {
			return true, due
		}
		t = &tally{began: r.Time}
		c.seen[m] = t
		if end := r.Time.Add(period); len(c.seen) == 1 || end.Before(c.next) {
			c.next = end
		}
	}
	if t.lines++; t.lines <= often {
		return true, due
	}
	if t.held.lines++; t.held.lines == 1 {
		t.held.message, t.held.since = m, r.Time
	}
	t.held.at, t.held.to = r.Time, to
	return false, due
}

// expire forgets the messages whose period is over, and returns what was held
// back of them.
func (c *repeats) expire(now time.Time) (due []repeated) {
	c.next = time.Time{}
	for m, t := range c.seen {
		if end := t.began.Add(period); now.Before(end) {
			if c.next.IsZero() || end.Before(c.next) {
				c.next = end
			}
			continue
		}
		delete(c.seen, m)
		if t.held.lines > 0 {
			t.held.at = now
			due = append(due, t.held)
		}
	}
	return inOrder(due)
}

// all forgets everything and returns what was held back.
func (c *repeats) all() (due []repeated) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.seen {
		if t.held.lines > 0 {
			due = append(due, t.held)
		}
	}
	clear(c.seen)
	return inOrder(due)
}

func inOrder(due []repeated) []repeated {
	slices.SortFunc(due, func(a, b repeated) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.text, b.text))
	})
	return due
}
