package postgres

import (
	"testing"

	"github.com/llm-optimizer/processor/postgres/pgtest"
	"github.com/llm-optimizer/processor/secret"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/sink/sinktest"
)

// forAll is a sink with a table for each kind of row.
func forAll(url string) *Sink {
	return &Sink{URL: secret.New(url), Table: "stats", LateTable: "late", DeadTable: "dead", Pipeline: "p", Name: "s"}
}

func heldAt(t *testing.T, url string) (h sinktest.Held) {
	t.Helper()
	if len(query(t, url, "select 1 where to_regclass('stats') is null")) > 0 {
		return h
	}
	for _, row := range query(t, url, "select id from stats order by window_start") {
		h.IDs = append(h.IDs, row[0])
	}
	h.Late = len(query(t, url, "select 1 from late"))
	h.Dead = len(query(t, url, "select 1 from dead"))
	return h
}

func TestConformance(t *testing.T) {
	srv := pgtest.Shared(t)
	sinktest.Run(t, func(t *testing.T) (sink.Sink, func() sinktest.Held) {
		url := srv.NewDatabase(t)
		return forAll(url), func() sinktest.Held { return heldAt(t, url) }
	})
}

func TestMarkerConformance(t *testing.T) {
	srv := pgtest.Shared(t)
	for name, change := range map[string]func(*Sink){
		"held":    func(*Sink) {},
		"spilled": func(s *Sink) { s.spillAt = 1 },
		"history": func(s *Sink) { s.History, s.Values, s.Meta = true, JSONB, true },
		"at once": func(s *Sink) { s.AtOnce = true },
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.RunMarker(t, func(t *testing.T) sinktest.Place {
				run(t, srv.URL(), "drop schema public cascade", "create schema public")
				url := srv.URL()
				var last *Sink
				crash := func() {
					if last != nil && last.link != nil && last.link.conn != nil {
						last.link.conn.PgConn().Conn().Close()
					}
				}
				return sinktest.Place{
					Sink: func() sink.Marker {
						last = forAll(url)
						change(last)
						return last
					},
					Crash: crash,
					Held:  func() sinktest.Held { return heldAt(t, url) },
				}
			})
		})
	}
}
