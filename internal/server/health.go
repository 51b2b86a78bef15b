package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
)

// graceTime is how long a source or a sink may be in trouble before the
// pipeline is not ready: a server that restarts is back sooner.
const graceTime = 10 * time.Second

// Check is one condition of readiness.
type Check struct {
	Name string
	// Problem says why it does not hold; empty if it does.
	Problem string
}

// Checks are what a pipeline has to be ready for: it has recovered, is not on
// its way out, its source and sinks work, and results have room to wait.
func Checks(s pipeline.Status) []Check {
	checks := []Check{{"recovered", ""}, {"running", ""}, {"source", trouble(s.Source, s.Now)}}
	switch s.Phase {
	case pipeline.Running, pipeline.Paused:
	case pipeline.Draining, pipeline.Ended:
		checks[1].Problem = "the pipeline is " + string(s.Phase)
	default:
		checks[0].Problem = "the pipeline is starting"
	}
	for i := range s.Sinks {
		sink := &s.Sinks[i]
		c := Check{"sink " + sink.Name, trouble(sink.Trouble, s.Now)}
		if sink.Failed {
			c.Problem = "has refused rows for good: " + oneLine(sink.Trouble.Error)
		}
		checks = append(checks, c)
	}
	if st := s.State; st != nil {
		c := Check{Name: "outbox"}
		if st.OutboxLimit > 0 && st.OutboxBytes >= st.OutboxLimit {
			c.Problem = fmt.Sprintf("is full: %d of %d bytes wait for the slowest sink", st.OutboxBytes, st.OutboxLimit)
		}
		checks = append(checks, c)
	}
	return checks
}

// Ready reports whether all Checks hold.
func Ready(s pipeline.Status) bool {
	for _, c := range Checks(s) {
		if c.Problem != "" {
			return false
		}
	}
	return true
}

// trouble says what is wrong with a connection, if it is so for long.
func trouble(t pipeline.TroubleStatus, now time.Time) string {
	if t.Since == nil || now.Sub(*t.Since) <= graceTime {
		return ""
	}
	return fmt.Sprintf("in trouble for %v: %s", now.Sub(*t.Since).Round(time.Second), oneLine(t.Error))
}

// oneLine keeps a text from looking like several checks.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// live answers as long as the process can: it depends on nothing.
func live(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") }

// ready says whether the pipeline does its work; with ?verbose also why not.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	status := s.cfg.Pipeline.Status()
	code, text := http.StatusOK, "ok\n"
	if !Ready(status) {
		code, text = http.StatusServiceUnavailable, "not ready\n"
	}
	if r.URL.Query().Has("verbose") {
		text = verbose(Checks(status)) + text
	}
	plain(w, code, text)
}

// verbose lists checks, one a line.
func verbose(checks []Check) string {
	var b strings.Builder
	for _, c := range checks {
		if c.Problem == "" {
			fmt.Fprintf(&b, "[+]%s ok\n", c.Name)
		} else {
			fmt.Fprintf(&b, "[-]%s: %s\n", c.Name, c.Problem)
		}
	}
	return b.String()
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // who has gone needs no answer
}

// metrics answers by the handler that was given.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Metrics == nil {
		fail(w, http.StatusNotFound, "this process counts no metrics")
		return
	}
	s.cfg.Metrics.ServeHTTP(w, r)
}
