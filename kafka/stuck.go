package kafka

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Brokers that refuse rows answer, and the client sends the rows again for ever
// and says nothing: too few replicas in sync, no leader. So it is time that
// tells: rows were handed over and none was acknowledged for a while. The reason
// is only in what the client has to say at its most talkative, so it is listened
// to while rows wait, and not else.

const (
	// stuckAfter is how long brokers may acknowledge nothing until that is
	// trouble, and listenAfter until the client is listened to.
	stuckAfter  = 5 * time.Second
	listenAfter = time.Second
)

// errNotTaken is the trouble with rows when the brokers have given no reason.
var errNotTaken = errors.New("the brokers have not acknowledged the rows that were sent")

// handed is what was handed over to the brokers and is not theirs yet.
type handed struct {
	waits bool
	// moved is when they were last seen to have acknowledged something, acked how
	// much it was by then.
	moved time.Time
	acked int64
	// refusal is the last reason that was given.
	refusal error
}

// move notes how much is acknowledged.
func (o *handed) move(acked int64, now time.Time) {
	if acked != o.acked {
		o.acked, o.moved = acked, now
	}
}

// quiet is for how long nothing was acknowledged, 0 while nothing waits.
func (o *handed) quiet(now time.Time) time.Duration {
	if !o.waits {
		return 0
	}
	return now.Sub(o.moved)
}

// stuck returns since when rows wait for nothing, and why.
func (o *handed) stuck(now time.Time) (since time.Time, err error) {
	switch {
	case o.quiet(now) <= stuckAfter:
		return time.Time{}, nil
	case o.refusal == nil:
		return o.moved, errNotTaken
	}
	return o.moved, o.refusal
}

// handOver notes that rows are handed to the brokers, until they are taken.
func (h *Health) handOver() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.handed.waits {
		h.handed = handed{waits: true, moved: time.Now(), acked: h.acked.Load()}
	}
}

// taken notes that the brokers have all rows, for good.
func (h *Health) taken() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handed = handed{}
	h.listening.Store(false)
	if rows := (party{kind: theRows}); h.broken[rows].times > 0 {
		h.mended(rows, time.Now())
	}
}

// refused notes why rows wait. It is forgotten when others begin to wait.
func (h *Health) refused(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handed.refusal = err
}

// said takes what the client says while it is listened to: the errors that
// brokers have answered with.
func (h *Health) said(msg string, keyvals []any) {
	refusal, topic := refusalIn(msg), ""
	if refusal != nil { // of a transaction that ends elsewhere, which the client tries again without backoff
		h.retries.Add(1)
	}
	for i := 0; i+1 < len(keyvals); i += 2 {
		switch v := keyvals[i+1].(type) {
		case error:
			var code *kerr.Error
			if errors.As(v, &code) {
				refusal = code
			}
		case bool:
			if v && keyvals[i] == "triggering_metadata_update" { // before it sends rows again; else it pauses, which backoff counts
				h.retries.Add(1)
			}
		case string:
			switch keyvals[i] {
			case "topic":
				topic = v
			case "to": // of "produced": TOPIC[PARTITION{retrying@OFFSET,RECORDS(CODE: text)}, …], …
				if before, after, found := strings.Cut(v, "{retrying@"); found {
					refusal, topic = refusalIn(after), topicIn(before)
				}
			}
		}
	}
	if refusal == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handed.refusal = about{cluster: h.cluster, does: "write", topic: topic}.explain(refusal)
}

// topicIn is the topic of the last list of partitions in a text.
func topicIn(text string) string {
	text = text[:max(strings.LastIndexByte(text, '['), 0)]
	return text[strings.LastIndexByte(text, ' ')+1:]
}

var inCapitals = regexp.MustCompile(`[A-Z]+(_[A-Z]+)+`)

// refusalIn returns the first error of Kafka's that is named in a text, or nil.
func refusalIn(text string) error {
	for _, name := range inCapitals.FindAllString(text, -1) {
		if err := errorsByName()[name]; err != nil {
			return err
		}
	}
	return nil
}

var errorsByName = sync.OnceValue(func() map[string]error {
	const last = 200 // beyond Kafka's last code
	byName := map[string]error{}
	for code := range int16(last) {
		if err := kerr.TypedErrorForCode(code); err != nil {
			byName[err.Message] = err
		}
	}
	return byName
})
