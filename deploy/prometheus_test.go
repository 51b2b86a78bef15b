package deploy

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/internal/dashboard"
	"github.com/llm-optimizer/processor/prometheus/promtest"
)

// written serves a text with every metric there is.
func written(t *testing.T) (address string) {
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
	return strings.TrimPrefix(s.URL, "http://")
}

// config is a pipeline that has most of the metrics.
const config = `name: watched
source: {generate: {events_per_second: 2000}}
event: {time: {field: timestamp, format: rfc3339}}
watermark: {max_out_of_orderness: 2s}
queries:
  - name: models
    key: [model]
    window: {tumbling: 1s}
    aggregate: {requests: count(), p95_ms: p95(latency_ms)}
sinks:
  - file: {path: results.jsonl}
  - prometheus: {}
state: {backend: pebble, path: state}
server: {listen: "127.0.0.1:0"}
`

// processor builds and starts the program, and returns where it listens.
func processor(t *testing.T) (address string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "processor")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/processor").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.Command(program, "--config", "config.yaml")
	run.Dir = dir
	log, err := run.StderrPipe()
	if err == nil {
		err = run.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Signal(os.Interrupt)
		_, _ = io.Copy(io.Discard, log)
		if err := run.Wait(); err != nil {
			t.Errorf("the program ended with %v", err)
		}
	})
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "url=http://"); ok {
			address, _, _ = strings.Cut(url, " ")
			return address
		}
	}
	t.Fatal("the program does not say where it listens")
	return ""
}

// sometimes are metrics that not every pipeline has, so that a query for them
// may have an empty answer.
var sometimes = regexp.MustCompile(`^processor_(consumer_lag|dead_letters|query_overflow|checkpoint|recovery|outbox|state_store|epoch|memory_limit|sink|result_latency|end_to_end)`)

// TestRealPrometheus lets a real server scrape what has every metric, load the
// rules, and answer every query of the dashboard.
func TestRealPrometheus(t *testing.T) { scraped(t, written(t), true) }

// TestRealPrometheusOnARealProcessor does so with the program itself.
func TestRealPrometheusOnARealProcessor(t *testing.T) { scraped(t, processor(t), false) }

// scraped has a real server scrape an address; complete says that every query
// has an answer there.
func scraped(t *testing.T, address string, complete bool) {
	t.Helper()
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
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
