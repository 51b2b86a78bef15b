package deploy

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/internal/dashboard"
	"github.com/llm-optimizer/processor/prometheus/promtest"
)

// target starts what is scraped and returns its address, and whether it has
// every metric there is, so that every query has an answer.
func target(t *testing.T) (address string, complete bool) {
	t.Helper()
	text, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write(text)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), true
}

// sometimes are metrics that not every pipeline has, so that a query for them
// may have an empty answer.
var sometimes = regexp.MustCompile(`^processor_(consumer_lag|dead_letters|query_overflow|checkpoint|recovery|outbox|state_store|epoch|memory_limit|sink|result_latency|end_to_end)`)

// TestRealPrometheus lets a real server scrape a processor, load the rules, and
// answer every query of the dashboard.
func TestRealPrometheus(t *testing.T) {
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	address, complete := target(t)
	s := promtest.Run(t, `
global: {scrape_interval: 200ms, evaluation_interval: 200ms}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: processor
    static_configs: [{targets: ["`+address+`"]}]
`, "alerts.yml", string(text))

	// A rate has an answer with the second scrape.
	s.Query(t, "rate(processor_records_read_total[1m])")
	for _, q := range dashboard.Queries() {
		if !complete && slices.ContainsFunc(metricsIn(q), sometimes.MatchString) {
			if _, err := s.Ask(t.Context(), q); err != nil {
				t.Error(err)
			}
			continue
		}
		s.Query(t, q)
	}
	for _, r := range rules(t) {
		if _, err := s.Ask(t.Context(), r.Expr); err != nil {
			t.Errorf("%s%s: %v", r.Record, r.Alert, err)
		}
	}
	for _, record := range []string{
		"instance:processor_records_read:rate5m",
		"instance:processor_results:rate5m",
		"instance:processor_processing_latency_seconds:p99_rate5m",
	} {
		s.Query(t, record)
	}
	if firing, err := s.Ask(t.Context(), `ALERTS{alertstate="firing"}`); err != nil || len(firing) > 0 {
		t.Errorf("a processor that is well has the alerts %v, %v", firing, err)
	}
}

// TestEverythingIsAsked asks the complete exposition: a query with an empty
// answer, or a metric that nobody sees, has a name that is wrong.
func TestEverythingIsAsked(t *testing.T) {
	text, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		if name, _, is := strings.Cut(strings.TrimPrefix(line, "# TYPE "), " "); is && strings.HasPrefix(line, "# TYPE ") {
			there[name] = true
		}
	}
	asked := map[string]bool{}
	ask := func(expr string) {
		for _, name := range metricsIn(expr) {
			family := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if !there[name] && !there[family] {
				t.Errorf("no processor has %s, of %s", name, expr)
			}
			asked[name], asked[family] = true, true
		}
	}
	for _, r := range rules(t) {
		ask(r.Expr)
	}
	clear(asked) // an alert shows nothing
	for _, q := range dashboard.Queries() {
		ask(q)
	}
	for name := range there {
		if !asked[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// metricsIn are the names of metrics in an expression, but for recorded ones.
func metricsIn(expr string) []string {
	recorded := regexp.MustCompile(`instance:\w+:\w+`)
	return regexp.MustCompile(`\b(processor|process|go)_\w+`).FindAllString(recorded.ReplaceAllString(expr, ""), -1)
}
