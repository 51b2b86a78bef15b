package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
)

const (
	usualLimit = 100
	// askTimeout bounds a question to the pipeline, whose owner goroutines
	// answer between batches.
	askTimeout = 10 * time.Second
)

// ofQuery is a handler for the query of the path; one that does not exist is
// not found.
func (s *Server) ofQuery(handle func(http.ResponseWriter, *http.Request, *pipeline.QueryStatus)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if q := s.query(w, r.PathValue("query")); q != nil {
			handle(w, r, q)
		}
	}
}

// query finds a query by its name, or answers that there is none.
func (s *Server) query(w http.ResponseWriter, name string) *pipeline.QueryStatus {
	status := s.cfg.Pipeline.Status()
	names := make([]string, 0, len(status.Queries))
	for i := range status.Queries {
		if status.Queries[i].Name == name {
			return &status.Queries[i]
		}
		names = append(names, status.Queries[i].Name)
	}
	fail(w, http.StatusNotFound, noQuery(name, names))
	return nil
}

// noQuery says that there is no query of a name, and which there are.
func noQuery(name string, names []string) string {
	there := "there are"
	if len(names) == 1 {
		there = "there is only"
	}
	return fmt.Sprintf("there is no query %q; %s %s", name, there, strings.Join(names, ", "))
}

func (s *Server) showResults(w http.ResponseWriter, r *http.Request, q *pipeline.QueryStatus) {
	limit, err := limitOf(r, usualLimit, maxRows)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	key, err := keyOf(r, q)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	rows, dropped := s.cfg.Recent.rows(q.Name, key, r.URL.Query().Get("contains"), limit)
	write(w, http.StatusOK, rowsAnswer("results", rows, "dropped", dropped))
}

func (s *Server) showKeys(w http.ResponseWriter, r *http.Request, q *pipeline.QueryStatus) {
	limit, err := limitOf(r, usualLimit, maxRows)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	keys := s.cfg.Recent.keys(q.Name, r.URL.Query().Get("contains"))
	total := len(keys)
	respond(w, map[string]any{"keys": list(keys[:min(limit, total)]), "total": total})
}

func (s *Server) showWindows(w http.ResponseWriter, r *http.Request, q *pipeline.QueryStatus) {
	limit, err := limitOf(r, usualLimit, maxRows)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	key, err := keyOf(r, q)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	windows, total, err := s.cfg.Pipeline.Windows(ctx, q.Name, key, limit)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	respond(w, map[string]any{"windows": list(windows), "total": total})
}

func (s *Server) showWhy(w http.ResponseWriter, r *http.Request) {
	limit, err := limitOf(r, 20, 1000)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	query := r.URL.Query().Get("query")
	if query != "" && s.query(w, query) == nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	why, err := s.cfg.Pipeline.Why(ctx, query, limit)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	why.Windows = list(why.Windows)
	respond(w, why)
}

func (s *Server) showSample(of *sample) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		rows, total := of.list()
		write(w, http.StatusOK, rowsAnswer("rows", rows, "total", total))
	}
}

// keyOf reads the parameter key, and writes it as results have it: its fields
// in the order of the query, without spaces. It is empty if there is none.
func keyOf(r *http.Request, q *pipeline.QueryStatus) (string, error) {
	text := r.URL.Query().Get("key")
	if text == "" {
		return "", nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		return "", fmt.Errorf("key has to be a JSON object, as in results: %w", err)
	}
	out := []byte{'{'}
	for i, name := range q.Keys {
		value, ok := given[name]
		if !ok || len(given) != len(q.Keys) {
			return "", fmt.Errorf("key has to have the fields of the query's key, no more and no fewer: %s", strings.Join(q.Keys, ", "))
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(event.AppendString(out, name), ':')
		var s string
		if value[0] == '"' && json.Unmarshal(value, &s) == nil {
			out = event.AppendString(out, s)
		} else {
			out = append(out, value...)
		}
	}
	if len(q.Keys) == 0 && len(given) > 0 {
		return "", fmt.Errorf("query %s has no key; its one group is {}", q.Name)
	}
	return string(append(out, '}')), nil
}
