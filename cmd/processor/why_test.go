package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/internal/top"
	"github.com/llm-optimizer/processor/pipeline"
)

func at(clock string) *time.Time {
	t, err := time.Parse(time.RFC3339Nano, "2026-01-01T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return &t
}

// whyServer answers as the API does, and notes what it was asked.
func whyServer(t *testing.T, status int, body any) (s *httptest.Server, asked *string) {
	t.Helper()
	asked = new(string)
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = r.URL.String()
		w.WriteHeader(status)
		if text, ok := body.(string); ok {
			_, _ = w.Write([]byte(text))
			return
		}
		if err := json.NewEncoder(w).Encode(body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s, asked
}

func withServer(listen string) string { return streamConfig + "server: {listen: \"" + listen + "\"}\n" }

func TestWhy(t *testing.T) {
	records, behind := int64(1200), 90.5
	s, asked := whyServer(t, http.StatusOK, pipeline.Why{
		Now: *at("12:05:00"), Watermark: at("11:59:54.999999999"), WatermarkSince: at("12:02:00"), Bound: 5,
		Holder: &pipeline.PartitionStatus{
			Name: "events/\x1b[3m", Status: "active", NewestEvent: at("12:00:00"), LastRead: at("12:04:30"), Position: 4711, LagRecords: &records, LagSeconds: &behind,
		},
		Reason: "Windows wait for events/3.",
		Windows: []pipeline.OpenGroup{
			{Query: "q", Start: at("11:58:00"), End: at("11:59:00"), Keys: 3, Events: 10, Closed: true, ClosesAt: at("12:00:00"), Missing: 5.0000000001},
			{Query: "q", Start: at("11:59:00"), End: at("12:00:00.5"), Keys: 1200, ClosesAt: at("12:00:00.5"), Missing: 95},
			{Query: "all", Keys: 1, Events: 7},
			{Query: "new", Start: at("11:59:00"), End: at("12:00:00"), Keys: 1, Events: 1, ClosesAt: at("12:00:00"), Missing: -1},
		},
		Total: 9,
	})
	config := writeFile(t, "c.yaml", withServer(s.Listener.Addr().String()))
	c := execute(t, "", nil, "why", "--config", config, "--query", "q", "--limit", "4")
	const want = `Windows wait for events/3.

The watermark is 2026-01-01 11:59:54.999, for 3m.
events/?[3m holds it (active): its newest event is of 2026-01-01 12:00:00, it reads on at offset 4,711, 1,200 records behind, 1m30s behind in time.
It brought events last 30s ago.
A window closes when events/?[3m brings an event 5s after its end (max_out_of_orderness).

  query          window from                       to   keys  events                closes at
  q      2026-01-01 11:58:00      2026-01-01 11:59:00      3      10      2026-01-01 12:00:00  fired; kept for late events, 5s to go
  q      2026-01-01 11:59:00  2026-01-01 12:00:00.500  1,200       -  2026-01-01 12:00:00.500  1m35s to go
  all                      -                        -      1       7                    never  by its trigger alone, or at the end of the input
  new    2026-01-01 11:59:00      2026-01-01 12:00:00      1       1      2026-01-01 12:00:00  there is no watermark yet
and 5 more groups: --limit shows more
`
	if c.code != 0 || c.stdout != want || c.stderr != "" {
		t.Errorf("exit code %d, stderr %q, stdout\n%s\nwant\n%s", c.code, c.stderr, c.stdout, want)
	}
	if *asked != "/api/v1/why?limit=4&query=q" {
		t.Errorf("it asked for %s", *asked)
	}
}

func TestWhyWithoutAnything(t *testing.T) {
	s, asked := whyServer(t, http.StatusOK, pipeline.Why{Now: *at("12:00:00")})
	c := execute(t, "", nil, "why", "--url", s.URL+"/")
	const want = "There is no watermark yet.\nNo partition holds it: none counts at present.\n\nNo window is open.\n"
	if c.code != 0 || c.stdout != want {
		t.Errorf("exit code %d, stderr %q, stdout\n%s", c.code, c.stderr, c.stdout)
	}
	if *asked != "/api/v1/why?limit=20" {
		t.Errorf("it asked for %s", *asked)
	}
}

// Runbooks print the command without flags.
func TestWhyAsksWhereTopDoes(t *testing.T) {
	base, err := whyCommand{Limit: 20}.base(&command{})
	if err != nil || base != top.DefaultURL {
		t.Errorf("it asks %q (%v), want %q", base, err, top.DefaultURL)
	}
}

func TestWhySaysWhatIsWrong(t *testing.T) {
	missing, _ := whyServer(t, http.StatusNotFound, map[string]string{"error": `there is no query "x"; there is q`})
	other, _ := whyServer(t, http.StatusNotFound, "<h1>nginx</h1>")
	page, _ := whyServer(t, http.StatusOK, "<h1>nginx</h1>")
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"no file":       {[]string{"--config", "/does/not/exist"}, 2, "cannot read the config"},
		"no section":    {[]string{"-c", writeFile(t, "c.yaml", streamConfig)}, 2, "has no server section"},
		"any port":      {[]string{"-c", writeFile(t, "c.yaml", withServer("127.0.0.1:0"))}, 2, "give --url"},
		"bad URL":       {[]string{"--url", "localhost:8080"}, 2, "http://127.0.0.1:8080"},
		"bad limit":     {[]string{"--url", page.URL, "--limit", "0"}, 2, "--limit 0 is out of range"},
		"nobody":        {[]string{"-c", writeFile(t, "c.yaml", withServer(gone.Listener.Addr().String()))}, 1, "is the pipeline running"},
		"unknown query": {[]string{"--url", missing.URL, "--query", "x"}, 1, `answers: there is no query "x"; there is q`},
		"other server":  {[]string{"--url", other.URL}, 1, "does a processor listen there?"},
		"other page":    {[]string{"--url", page.URL}, 1, "is not of a processor"},
	} {
		got := execute(t, "", nil, append([]string{"why"}, c.args...)...)
		if got.code != c.code || !strings.Contains(got.stderr, c.stderr) || got.stdout != "" {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", name, got.code, got.stdout, got.stderr)
		}
	}
}
