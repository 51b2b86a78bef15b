package server

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	maxStreams = 64
	// streamQueue is how many rows wait for a reader before it loses some: more
	// than a query brings at once.
	streamQueue = 2 * rowsASecond
)

var errManyStreams = errors.New("there are 64 streams already; close one, or ask /api/v1/queries/…/results")

// hub hands rows to the streams that are open.
type hub struct {
	// open is how many there are: without one a batch costs one load.
	open atomic.Int32

	mu          sync.Mutex
	subscribers []*subscriber
}

// subscriber is a stream's end of the hub.
type subscriber struct {
	// query is the one whose rows it gets; empty for all.
	query string
	rows  chan []byte
	// lost counts rows that it should have got, by why it has not.
	lost [causes]atomic.Int64
}

// cause is why a stream has not got rows.
type cause int

const (
	// becauseSlow: its reader did not take them in time.
	becauseSlow cause = iota
	// becauseLimit: more of a query came in a second than are looked at.
	becauseLimit
	// becauseSkipped: the pipeline did not show them, of whatever query they are.
	becauseSkipped
	causes
)

// String is what readers are told.
func (c cause) String() string { return [...]string{"slow", "limit", "skipped"}[c] }

func (s *subscriber) lose(n int, why cause) {
	if n > 0 {
		s.lost[why].Add(int64(n))
	}
}

func (s *subscriber) wants(query string) bool { return s.query == "" || s.query == query }

func (h *hub) subscribe(query string) (*subscriber, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subscribers) >= maxStreams {
		return nil, errManyStreams
	}
	s := &subscriber{query: query, rows: make(chan []byte, streamQueue)}
	h.subscribers = append(h.subscribers, s)
	h.open.Store(int32(len(h.subscribers)))
	return s, nil
}

func (h *hub) leave(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscribers = slices.DeleteFunc(h.subscribers, func(other *subscriber) bool { return other == s })
	h.open.Store(int32(len(h.subscribers)))
}

// publish hands rows to whom they concern. Who has no room loses them, and is
// told how many, as of those that were left out before: beyond the rate, by
// query, and those that the pipeline did not show.
func (h *hub) publish(rows []row, ignored map[string]int, skipped int) {
	if h.open.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.subscribers {
		s.lose(skipped, becauseSkipped)
		for query, n := range ignored {
			if s.wants(query) {
				s.lose(n, becauseLimit)
			}
		}
		full := 0
		for i := range rows {
			if !s.wants(rows[i].query) {
				continue
			}
			select {
			case s.rows <- rows[i].json:
			default:
				full++
			}
		}
		s.lose(full, becauseSlow)
	}
}
