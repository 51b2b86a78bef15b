package server

import (
	"net/http"
	"sync"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
)

// whole is a status whose lists are never null.
func whole(s pipeline.Status) pipeline.Status {
	s.Queries, s.Partitions, s.Sinks = append([]pipeline.QueryStatus{}, s.Queries...), list(s.Partitions), list(s.Sinks)
	for i := range s.Queries {
		q := &s.Queries[i]
		q.Keys, q.Values, q.Functions = list(q.Keys), list(q.Values), list(q.Functions)
		if q.Results == nil {
			q.Results = map[string]int64{}
		}
	}
	if s.DeadByReason == nil {
		s.DeadByReason = map[string]int64{}
	}
	if s.Waited == nil {
		s.Waited = map[string]float64{}
	}
	return s
}

func (s *Server) now() pipeline.Status { return whole(s.cfg.Pipeline.Status()) }

func (s *Server) showStatus(w http.ResponseWriter, _ *http.Request) {
	respond(w, s.now())
}

func (s *Server) showQueries(w http.ResponseWriter, _ *http.Request) {
	respond(w, s.now().Queries)
}

func (s *Server) showPartitions(w http.ResponseWriter, _ *http.Request) {
	respond(w, s.now().Partitions)
}

func (s *Server) showSinks(w http.ResponseWriter, _ *http.Request) {
	respond(w, s.now().Sinks)
}

func (s *Server) showState(w http.ResponseWriter, _ *http.Request) {
	respond(w, s.now().State)
}

func (s *Server) showPlan(w http.ResponseWriter, _ *http.Request) {
	respond(w, map[string]string{"plan": s.cfg.Pipeline.Explain(), "config": s.cfg.Name})
}

// shared is a status as JSON that all streams of about the same moment get.
type shared struct {
	mu   sync.Mutex
	at   time.Time
	json []byte
	err  error
}

// get makes a new one when the last is older than maxAge.
func (c *shared) get(maxAge time.Duration, status func() pipeline.Status) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.at.IsZero() || now.Sub(c.at) > maxAge {
		c.json, c.err = encode(status())
		c.at = now
	}
	return c.json, c.err
}
