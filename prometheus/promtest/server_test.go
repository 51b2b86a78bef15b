package promtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestScrapesAndAnswers(t *testing.T) {
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `some_things{of="a"} 3`)
		fmt.Fprintln(w, `some_things{of="b"} +Inf`)
	}))
	t.Cleanup(exporter.Close)
	s := Run(t, `
global: {scrape_interval: 200ms}
rule_files: [rules.yml]
scrape_configs:
  - job_name: test
    static_configs: [{targets: ["`+strings.TrimPrefix(exporter.URL, "http://")+`"]}]
`, "rules.yml", `
groups: [{name: g, interval: 200ms, rules: [{record: twice, expr: 'some_things{of="a"} * 2'}]}]
`)
	if got := s.Query(t, `some_things{of="a"}`); len(got) != 1 || got[0].Value != 3 || got[0].Labels["job"] != "test" {
		t.Errorf("it answers %v", got)
	}
	if got := s.Query(t, "twice"); got[0].Value != 6 {
		t.Errorf("a rule of another file gives %v", got)
	}
	if got := s.Query(t, "1 + 1"); len(got) != 1 || got[0].Value != 2 {
		t.Errorf("a scalar is %v", got)
	}
	if _, err := s.Ask(t.Context(), "sum("); err == nil || !strings.Contains(err.Error(), "parse") {
		t.Errorf("to what is no expression it says %v", err)
	}
}

func TestAConfigThatIsWrong(t *testing.T) {
	Run(t, "global: {}")
	if s, err := Start("nonsense: 1"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("it starts %+v, and says %v", s, err)
	}
}
