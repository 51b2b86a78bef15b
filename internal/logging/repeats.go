package logging

import (
	"cmp"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// often is how many lines of one message go out in a period; of warnings and
	// errors, how many with the same attributes.
	often  = 5
	period = 10 * time.Second
	// lots is how many lines of one message go out in a period if all of them
	// have other attributes.
	lots = 100
	// most is how many messages are counted at once. There are far fewer in the
	// code; one that finds no place is not limited.
	most = 512
)

// message is what is counted together.
type message struct {
	level slog.Level
	text  string
}

// digest stands for attributes. Two that differ have the same one with a chance
// that does not matter.
type digest uint64

var seed = maphash.MakeSeed()

// with is the digest of attributes that come after those of d.
func (d digest) with(attrs ...slog.Attr) digest {
	var h maphash.Hash
	h.SetSeed(seed)
	maphash.WriteComparable(&h, d)
	for _, a := range attrs {
		maphash.WriteComparable(&h, a.Key)
		maphash.WriteComparable(&h, a.Value.Resolve().String())
	}
	return digest(h.Sum64())
}

// digestOf is that of a line whose logger has the attributes of d. Lines below a
// warning tell what goes on, of which there may be very much: all are the same.
func digestOf(r *slog.Record, d digest) digest {
	if r.Level < slog.LevelWarn {
		return 0
	}
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	return d.with(attrs...)
}

// tally counts one message in the period that began with its first line.
type tally struct {
	began time.Time
	// written counts the lines that went out, in all and by their attributes.
	written int
	said    map[digest]int
	held    repeated
}

// take says whether one more line goes out, and counts it then. So what is
// remembered is bounded by what is written.
func (t *tally) take(d digest) bool {
	if t.written >= lots || t.said[d] >= often {
		return false
	}
	t.written++
	t.said[d]++
	return true
}

// repeated are the lines of a message that were held back.
type repeated struct {
	message
	lines int
	since time.Time // the first of them
	at    time.Time // when they are told
	to    slog.Handler
	of    digest // that of to
}

func (r *repeated) record() slog.Record {
	out := slog.NewRecord(r.at, r.level, r.text, 0)
	out.AddAttrs(slog.Int("repeated", r.lines), slog.Time("since", r.since))
	return out
}

// repeats counts the messages of late. It has no clock: the time is that of the
// lines.
type repeats struct {
	// plain is the handler without the attributes of any logger.
	plain slog.Handler

	mu   sync.Mutex
	seen map[message]*tally
	// next is when the first period of those seen ends.
	next time.Time
}

// judge says whether to write a line of a logger whose attributes have a digest,
// and what is to be told before it.
func (c *repeats) judge(to slog.Handler, of digest, r *slog.Record) (write bool, due []repeated) {
	d := digestOf(r, of)
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
		t = &tally{began: r.Time, said: map[digest]int{}}
		c.seen[m] = t
		if end := r.Time.Add(period); len(c.seen) == 1 || end.Before(c.next) {
			c.next = end
		}
	}
	if t.take(d) {
		return true, due
	}
	if t.held.lines++; t.held.lines == 1 {
		t.held.message, t.held.since, t.held.to, t.held.of = m, r.Time, to, of
	} else if t.held.of != of {
		t.held.to = c.plain // it speaks for more than one logger
	}
	t.held.at = r.Time
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
