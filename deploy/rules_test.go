package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alertsFile = "prometheus/alerts.yml"
	runbooks   = "../docs/runbooks"
	// atHome is where a page is found by who reads an alert.
	atHome = "https://github.com/llm-optimizer/processor/blob/main/"
)

// rule is an alert, or what is recorded for one.
type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

// rules reads all rules.
func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// alerts are the rules that alert.
func alerts(t *testing.T) []rule {
	t.Helper()
	all := slices.DeleteFunc(rules(t), func(r rule) bool { return r.Alert == "" })
	if len(all) < 14 {
		t.Fatalf("there are only %d alerts", len(all))
	}
	return all
}

// pageOf is the page of an alert: ProcessorSinkDown has sink-down.md.
func pageOf(alert string) string {
	words := regexp.MustCompile(`[A-Z][a-z]+`).FindAllString(strings.TrimPrefix(alert, "Processor"), -1)
	return strings.ToLower(strings.Join(words, "-")) + ".md"
}

func TestAlertsTellWhatTheyAre(t *testing.T) {
	label := regexp.MustCompile(`\{\{.*\$labels\.`)
	for _, a := range alerts(t) {
		if !strings.HasPrefix(a.Alert, "Processor") {
			t.Errorf("the alert %s could be of any program", a.Alert)
		}
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %q", a.Alert, s)
		}
		for _, name := range []string{"summary", "description"} {
			if !label.MatchString(a.Annotations[name]) {
				t.Errorf("the %s of %s does not say which processor: %q", name, a.Alert, a.Annotations[name])
			}
		}
		if want := atHome + "docs/runbooks/" + pageOf(a.Alert); a.Annotations["runbook_url"] != want {
			t.Errorf("%s has its page at %q, want %s", a.Alert, a.Annotations["runbook_url"], want)
		}
	}
}

// TestRunbooks holds each alert to its page, each page to its alert, and the
// list of pages to both.
func TestRunbooks(t *testing.T) {
	list, err := os.ReadFile(filepath.Join(runbooks, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]string{"README.md": ""}
	for _, a := range alerts(t) {
		page := pageOf(a.Alert)
		of[page] = a.Alert
		row := "| [" + a.Alert + "](" + page + ") | " + a.Labels["severity"] + " |"
		if !strings.Contains(string(list), row) {
			t.Errorf("the list of runbooks has no row %s", row)
		}
	}
	for page, alert := range of {
		text, err := os.ReadFile(filepath.Join(runbooks, page))
		if err != nil {
			t.Errorf("%s has no page: %v", alert, err)
			continue
		}
		if alert != "" {
			isRunbook(t, page, alert, string(text))
		}
	}
	there, err := os.ReadDir(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range there {
		if _, is := of[page.Name()]; !is {
			t.Errorf("no alert leads to %s", page.Name())
		}
	}
}

// isRunbook finds what every page has, in its order.
func isRunbook(t *testing.T, page, alert, text string) {
	t.Helper()
	at := 0
	for _, part := range []string{
		"# " + alert + "\n", "\n## What it means\n", "\n## What it costs\n", "\n## How to see it\n\n```\n",
		"\n## Likely causes\n", "\n## What to do\n\n1. ",
	} {
		next := strings.Index(text[at:], part)
		if next < 0 {
			t.Errorf("%s has no %q where it belongs", page, part)
			return
		}
		at += next
	}
	if !strings.Contains(text, "/api/v1/") && !strings.Contains(text, "/metrics") {
		t.Errorf("%s asks the processor nothing", page)
	}
}

// TestEveryAlertIsTested finds alerts that alerts_test.yml sees only fire, or
// only quiet, or not at all.
func TestEveryAlertIsTested(t *testing.T) {
	text, err := os.ReadFile("prometheus/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			Checks []struct {
				Alert string `yaml:"alertname"`
				Fires []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Checks {
			if len(c.Fires) > 0 {
				fires[c.Alert] = true
			} else {
				quiet[c.Alert] = true
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !quiet[a.Alert] {
			t.Errorf("alerts_test.yml sees %s fire: %v, quiet: %v", a.Alert, fires[a.Alert], quiet[a.Alert])
		}
	}
}

func TestPromtool(t *testing.T) {
	for _, args := range [][]string{
		{"check", "rules", "alerts.yml"},
		{"test", "rules", "alerts_test.yml"},
	} {
		promtool(t, "prometheus", args...)
	}
	t.Run("it finds what is wrong", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "alerts.yml"), []byte(`groups: [{name: g, rules: [{alert: A, expr: "sum("}]}]`), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("promtool", "check", "rules", filepath.Join(dir, "alerts.yml")).CombinedOutput(); err == nil {
			t.Errorf("it takes a wrong file:\n%s", out)
		}
	})
}

// promtool runs promtool in a folder, or skips the test.
func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		t.Skipf("SKIPPED promtool: it is not installed (scripts/servers.sh does it): %v", err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
