package server

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// route is a method of a path, in the syntax of http.ServeMux.
type route struct {
	method, path string
	handle       http.HandlerFunc
}

// routes are all that is served; openapi.json describes each.
func (s *Server) routes() []route {
	const get, post, put = http.MethodGet, http.MethodPost, http.MethodPut
	return []route{
		{get, "/livez", live},
		{get, "/healthz", live},
		{get, "/readyz", s.ready},
		{get, "/metrics", s.metrics},

		{get, "/api/v1/status", s.showStatus},
		{get, "/api/v1/plan", s.showPlan},
		{get, "/api/v1/queries", s.showQueries},
		{get, "/api/v1/partitions", s.showPartitions},
		{get, "/api/v1/sinks", s.showSinks},
		{get, "/api/v1/state", s.showState},

		{get, "/api/v1/queries/{query}/results", s.ofQuery(s.showResults)},
		{get, "/api/v1/queries/{query}/keys", s.ofQuery(s.showKeys)},
		{get, "/api/v1/queries/{query}/windows", s.ofQuery(s.showWindows)},
		{get, "/api/v1/why", s.showWhy},
		{get, "/api/v1/late", s.showSample(&s.cfg.Samples.late)},
		{get, "/api/v1/dead", s.showSample(&s.cfg.Samples.dead)},
		{get, "/api/v1/stream", s.stream},

		{get, "/api/v1/checkpoints", s.showCheckpoints},
		{post, "/api/v1/checkpoints", s.authorized(s.makeCheckpoint)},
		{post, "/api/v1/pause", s.authorized(s.pause)},
		{post, "/api/v1/resume", s.authorized(s.resume)},
		{get, "/api/v1/log/level", s.showLevel},
		{put, "/api/v1/log/level", s.authorized(s.setLevel)},

		{get, "/api/v1/openapi.json", showOpenAPI},
		{get, "/{$}", s.index},
		{get, "/ui/{file...}", s.file},
	}
}

// mux tells paths apart, and then methods, so that a wrong one is answered in
// JSON too.
func (s *Server) mux() *http.ServeMux {
	methods := map[string]map[string]http.HandlerFunc{}
	for _, r := range s.routes() {
		if methods[r.path] == nil {
			methods[r.path] = map[string]http.HandlerFunc{}
		}
		methods[r.path][r.method] = r.handle
		if r.method == http.MethodGet {
			methods[r.path][http.MethodHead] = r.handle
		}
	}
	mux := http.NewServeMux()
	for path, handlers := range methods {
		mux.HandleFunc(path, byMethod(handlers))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing here; /api/v1/openapi.json lists what there is")
	})
	return mux
}

func byMethod(handlers map[string]http.HandlerFunc) http.HandlerFunc {
	allow := strings.Join(slices.Sorted(maps.Keys(handlers)), ", ")
	return func(w http.ResponseWriter, r *http.Request) {
		handle, ok := handlers[r.Method]
		if !ok {
			w.Header().Set("Allow", allow)
			fail(w, http.StatusMethodNotAllowed, "this path takes "+allow)
			return
		}
		handle(w, r)
	}
}
