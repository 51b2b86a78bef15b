package server

import (
	"fmt"
	"net/http"
	"time"
)

// streamPatience is how long a reader of a stream may leave one write waiting.
const streamPatience = 30 * time.Second

// stream sends server-sent events until the reader goes or the server ends: the
// status at once and each second, results as they come, and how many of them
// were left out, and why.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query().Get("query")
	if query != "" && s.query(w, query) == nil {
		return
	}
	sub, err := s.cfg.Recent.hub.subscribe(query)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer s.cfg.Recent.hub.leave(sub)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not collect events
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	if r.Method == http.MethodHead {
		return
	}
	status, beat := time.NewTicker(s.cfg.statusEvery), time.NewTicker(s.cfg.heartbeat)
	defer status.Stop()
	defer beat.Stop()
	s.sendStatus(out)
	for out.flush() {
		select {
		case <-r.Context().Done():
			return
		case <-s.quit:
			return
		case row := <-sub.rows:
			out.event("result", row)
			out.more(sub)
		case <-status.C:
			s.sendStatus(out)
		case <-beat.C:
			out.comment("still here")
		}
		for why := range causes {
			if n := sub.lost[why].Swap(0); n > 0 {
				out.event("dropped", fmt.Appendf(nil, `{"rows":%d,"because":%q}`, n, why))
			}
		}
	}
}

func (s *Server) sendStatus(out *eventWriter) {
	status, err := s.status.get(s.cfg.statusEvery/2, s.now)
	if err != nil {
		out.err = err
		return
	}
	out.event("status", status)
}

// eventWriter writes server-sent events, up to the first error.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

// event writes one event, whose data is JSON without line ends.
func (o *eventWriter) event(name string, data []byte) {
	o.write("event: " + name + "\ndata: ")
	o.writeBytes(data)
	o.write("\n\n")
}

// comment writes what readers pass over.
func (o *eventWriter) comment(text string) { o.write(": " + text + "\n\n") }

// more writes rows that are waiting, some at once.
func (o *eventWriter) more(sub *subscriber) {
	for range streamQueue {
		select {
		case row := <-sub.rows:
			o.event("result", row)
		default:
			return
		}
	}
}

func (o *eventWriter) write(text string) { o.writeBytes([]byte(text)) }

func (o *eventWriter) writeBytes(b []byte) {
	if o.err != nil {
		return
	}
	if o.err = o.control.SetWriteDeadline(time.Now().Add(streamPatience)); o.err == nil {
		_, o.err = o.w.Write(b)
	}
}

// flush sends what was written, and reports whether the reader is still there.
func (o *eventWriter) flush() bool {
	if o.err == nil {
		o.err = o.control.Flush()
	}
	return o.err == nil
}
