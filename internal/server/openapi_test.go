package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("openapi.json is not valid: %v", err)
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("openapi.json is of version %s", doc.OpenAPI)
	}
	return doc
}

// documented is the path of a route as the document writes it.
func documented(path string) string {
	return strings.NewReplacer("{$}", "", "...}", "}").Replace(path)
}

func TestDocumentListsEveryRoute(t *testing.T) {
	doc := document(t)
	served := map[string]bool{}
	for _, r := range New(Config{Pipeline: busy()}).routes() {
		path := documented(r.path)
		served[r.method+" "+path] = true
		if item := doc.Paths.Value(path); item == nil || item.GetOperation(r.method) == nil {
			t.Errorf("openapi.json lacks %s %s", r.method, path)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !served[method+" "+path] {
				t.Errorf("openapi.json has %s %s, which is not served", method, path)
			}
		}
	}
}

// filled is a server with rows of every sort.
func filled(t *testing.T, f *fake) started {
	t.Helper()
	s := start(t, f, nil)
	retracted := rowOf(keyA, 2)
	retracted.Values, retracted.Timing, retracted.Partial = nil, result.Retract, true
	s.cfg.Recent.Results([]result.Result{rowOf(keyA, 1), retracted, rowOf(keyB, 3)}, 0)
	s.cfg.Samples.Late([]result.LateEvent{{Query: "q", Source: result.Source{Topic: "events"}, Event: []byte(`{"a":"<b>"}`)}})
	s.cfg.Samples.Dead([]result.DeadLetter{
		{Reason: "not_json", Err: "no", Raw: []byte("x\xff")},
		{Reason: "wrong_type", Err: "no", Raw: []byte("{}"), Queries: []string{"q"}},
	})
	return s
}

// conforms holds an answer against the document.
func conforms(t *testing.T, router routers.Router, r *http.Request, response *http.Response, body string) {
	t.Helper()
	route, params, err := router.FindRoute(r)
	if err != nil {
		t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: response.StatusCode, Header: response.Header,
		Body: io.NopCloser(strings.NewReader(body)), Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s %s answers %d with\n%s\n%v", r.Method, r.URL, response.StatusCode, body, err)
	}
}

// TestAnswersAreAsDocumented asks for every path of the document, and holds
// what comes against its schema.
func TestAnswersAreAsDocumented(t *testing.T) {
	for _, media := range []string{"text/html", "text/event-stream"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.FileBodyDecoder)
		defer openapi3filter.UnregisterBodyDecoder(media)
	}
	doc := document(t)
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	bare := busy() // with nothing that may be missing
	bare.set(func(s *pipeline.Status) {
		*s = pipeline.Status{Name: "bare", Phase: "starting", Queries: s.Queries, Partitions: s.Partitions[1:]}
		s.Queries[0].Keys = nil
	})
	for name, s := range map[string]started{"busy": filled(t, busy()), "bare": start(t, bare, nil)} {
		for path, item := range doc.Paths.Map() {
			for method := range item.Operations() {
				t.Run(name+" "+method+" "+path, func(t *testing.T) {
					path := strings.NewReplacer("{query}", "q", "{file}", "index.html").Replace(path)
					if path == "/api/v1/stream" {
						streamConforms(t, doc, s)
						return
					}
					r := s.request(method, path, `{"level":"warn"}`)
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("Authorization", "Bearer "+token)
					response, body := s.do(r)
					if response.StatusCode != http.StatusOK && (name != "bare" || path != "/readyz") {
						t.Errorf("%s %s answers %d: %s", method, path, response.StatusCode, body)
					}
					conforms(t, router, r, response, body)
				})
			}
		}
	}
}

// TestErrorsAreAsDocumented makes every path fail in the ways that it can.
func TestErrorsAreAsDocumented(t *testing.T) {
	router, err := gorillamux.NewRouter(document(t))
	if err != nil {
		t.Fatal(err)
	}
	broken := busy()
	broken.failWith(errTest)
	s, closed := start(t, broken, nil), start(t, busy(), func(c *Config) {
		c.Token, c.Metrics, c.Level = secret.Text{}, nil, nil
	})
	for _, c := range []struct {
		s              started
		method, target string
		auth, body     string
		status         int
	}{
		{s, "GET", "/api/v1/queries/q/windows", "", "", 503},
		{s, "GET", "/api/v1/queries/q/windows?limit=0", "", "", 400},
		{s, "GET", "/api/v1/queries/q/windows?key=1", "", "", 400},
		{s, "GET", "/api/v1/queries/none/windows", "", "", 404},
		{s, "GET", "/api/v1/queries/q/results?limit=x", "", "", 400},
		{s, "GET", "/api/v1/queries/q/results?limit=10001", "", "", 400},
		{s, "GET", "/api/v1/queries/q/results?key=%7B%22model%22:1%7D", "", "", 400},
		{s, "GET", "/api/v1/queries/all/results?key=%7B%22model%22:1%7D", "", "", 400},
		{s, "GET", "/api/v1/queries/none/results", "", "", 404},
		{s, "GET", "/api/v1/queries/q/keys?limit=-1", "", "", 400},
		{s, "GET", "/api/v1/queries/none/keys", "", "", 404},
		{s, "GET", "/api/v1/why", "", "", 503},
		{s, "GET", "/api/v1/why?limit=x", "", "", 400},
		{s, "GET", "/api/v1/why?query=none", "", "", 404},
		{s, "GET", "/api/v1/stream?query=none", "", "", 404},
		{s, "GET", "/api/v1/checkpoints", "", "", 503},
		{s, "GET", "/ui/none.html", "", "", 404},
		{s, "POST", "/api/v1/checkpoints", "Bearer " + token, "", 409},
		{s, "POST", "/api/v1/checkpoints", "", "", 401},
		{s, "POST", "/api/v1/pause", "Bearer " + token, "", 409},
		{s, "POST", "/api/v1/pause", "Bearer x", "", 401},
		{s, "POST", "/api/v1/resume", "bearer " + token, "", 409},
		{s, "POST", "/api/v1/resume", "Basic " + token, "", 401},
		{s, "PUT", "/api/v1/log/level", "Bearer " + token, `{"level":"loud"}`, 400},
		{s, "PUT", "/api/v1/log/level", "Bearer " + token, `level=debug`, 400},
		{s, "PUT", "/api/v1/log/level", "Bearer " + token, `{"level":"` + strings.Repeat("x", maxBody) + `"}`, 413},
		{s, "PUT", "/api/v1/log/level", "", `{"level":"debug"}`, 401},
		{closed, "POST", "/api/v1/checkpoints", "Bearer ", "", 403},
		{closed, "POST", "/api/v1/pause", "Bearer " + token, "", 403},
		{closed, "POST", "/api/v1/resume", "", "", 403},
		{closed, "PUT", "/api/v1/log/level", "", "", 403},
		{closed, "GET", "/api/v1/log/level", "", "", 404},
		{closed, "GET", "/metrics", "", "", 404},
	} {
		r := c.s.request(c.method, c.target, c.body)
		r.Header.Set("Authorization", c.auth)
		response, body := c.s.do(r)
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Error == "" || response.StatusCode != c.status {
			t.Errorf("%s %s answers %d with %q, want %d with an error", c.method, c.target, response.StatusCode, body, c.status)
		}
		if c.status == 401 && response.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s does not say how to authenticate", c.method, c.target)
		}
		conforms(t, router, r, response, body)
	}
}

// streamConforms holds the first events of a stream against their schemas.
func streamConforms(t *testing.T, doc *openapi3.T, s started) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := s.follow(ctx, "")
	first := <-events
	s.cfg.Recent.Results([]result.Result{rowOf(keyA, 1)}, 2)
	for _, e := range []sent{first, next(t, events, "result"), next(t, events, "dropped")} {
		schema := map[string]string{"status": "Status", "result": "Result", "dropped": "Dropped"}[e.name]
		var value any
		if err := json.Unmarshal([]byte(e.data), &value); err != nil || schema == "" {
			t.Fatalf("the event %+v: %v", e, err)
		}
		if err := doc.Components.Schemas[schema].Value.VisitJSON(value, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("the event %+v: %v", e, err)
		}
	}
}

// sent is a server-sent event, or a comment.
type sent struct{ name, data string }

// follow reads a stream until its end or that of the context.
func (s started) follow(ctx context.Context, parameters string) <-chan sent {
	s.t.Helper()
	r := s.request(http.MethodGet, "/api/v1/stream"+parameters, "").WithContext(ctx)
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("the stream begins with %d, %v", response.StatusCode, response.Header)
	}
	events := make(chan sent, 10_000)
	go func() {
		defer close(events)
		defer response.Body.Close()
		var e sent
		in := bufio.NewScanner(response.Body)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			switch line := in.Text(); {
			case strings.HasPrefix(line, "event: "):
				e.name = line[7:]
			case strings.HasPrefix(line, "data: "):
				e.data = line[6:]
			case strings.HasPrefix(line, ": "):
				e = sent{"comment", line[2:]}
			case line == "":
				events <- e
				e = sent{}
			}
		}
	}()
	return events
}

// TestEveryPathHasItsPlaceInThePage holds docs/api.md against the document.
func TestEveryPathHasItsPlaceInThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for path := range document(t).Paths.Map() {
		if !bytes.Contains(page, []byte("`"+path+"`")) && !bytes.Contains(page, []byte("`GET "+path)) &&
			!bytes.Contains(page, []byte("`POST "+path)) && !bytes.Contains(page, []byte("`PUT "+path)) {
			t.Errorf("docs/api.md does not tell of %s", path)
		}
	}
	for name, value := range headers {
		if name == "Content-Security-Policy" && !bytes.Contains(page, []byte(value)) {
			t.Errorf("docs/api.md does not show the policy %q", value)
		}
	}
}
