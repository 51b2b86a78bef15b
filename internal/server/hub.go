package server

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	maxStreams = 64
	// streamQueue is how many rows wait for a reader before it loses some.
	streamQueue = 1024
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
	// lost counts rows that it should have got.
	lost atomic.Int64
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
// told how many with those that were left out before.
func (h *hub) publish(rows []row, ignored map[string]int, skipped int) {
	if h.open.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.subscribers {
		lost := skipped
		for query, n := range ignored {
			if s.wants(query) {
				lost += n
			}
		}
		for i := range rows {
			if !s.wants(rows[i].query) {
				continue
			}
			select {
			case s.rows <- rows[i].json:
			default:
				lost++
			}
		}
		if lost > 0 {
			s.lost.Add(int64(lost))
		}
	}
}
