package dashboard_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/internal/dashboard"
)

var update = flag.Bool("update", false, "write deploy/grafana/processor.json")

// checkedIn is what people import.
const checkedIn = "../../deploy/grafana/processor.json"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheckedInIsFresh(t *testing.T) {
	want, err := dashboard.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(checkedIn, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(checkedIn)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is stale: run go test ./internal/dashboard -update", checkedIn)
	}
}

// board is what of a dashboard these tests look at, as Grafana reads it.
type board struct {
	UID    string `json:"uid"`
	Panels []struct {
		ID          int    `json:"id"`
		Type        string `json:"type"`
		Title       string `json:"title"`
		Description string `json:"description"`
		GridPos     struct{ X, Y, W, H int }
		FieldConfig struct {
			Defaults struct{ Unit string }
		}
		Targets []struct {
			Expr  string `json:"expr"`
			RefID string `json:"refId"`
		} `json:"targets"`
	} `json:"panels"`
	Templating struct {
		List []struct{ Name string }
	} `json:"templating"`
}

func read(t *testing.T) board {
	t.Helper()
	text, err := os.ReadFile(checkedIn)
	if err != nil {
		t.Fatal(err)
	}
	var b board
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEveryPanelTellsWhatItIs holds what a reader needs beside the plot.
func TestEveryPanelTellsWhatItIs(t *testing.T) {
	b := read(t)
	if b.UID != dashboard.UID {
		t.Errorf("the dashboard's uid is %q", b.UID)
	}
	ids := map[int]bool{}
	for _, p := range b.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the number %d", p.ID)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if len(p.Description) < 40 || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("panel %q has the description %q, the unit %q and %d queries", p.Title, p.Description, p.FieldConfig.Defaults.Unit, len(p.Targets))
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if refs[q.RefID] {
				t.Errorf("panel %q has two queries %s", p.Title, q.RefID)
			}
			refs[q.RefID] = true
		}
	}
}

// TestPanelsFillTheirLines finds panels that lie upon each other, or beside a gap.
func TestPanelsFillTheirLines(t *testing.T) {
	taken := map[[2]int]string{}
	deepest := 0
	for _, p := range read(t).Panels {
		for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				if other, is := taken[[2]int{x, y}]; is {
					t.Fatalf("panels %q and %q are both at %d, %d", other, p.Title, x, y)
				}
				taken[[2]int{x, y}] = p.Title
				deepest = max(deepest, y)
			}
		}
	}
	const columns = 24
	for y := range deepest + 1 {
		for x := range columns {
			if _, is := taken[[2]int{x, y}]; !is {
				t.Fatalf("nothing is at %d, %d", x, y)
			}
		}
		if over, is := taken[[2]int{columns, y}]; is {
			t.Errorf("panel %q is wider than its line", over)
		}
	}
}

func TestQueriesAreThoseOfTheFile(t *testing.T) {
	got := dashboard.Queries()
	n := 0
	variable := regexp.MustCompile(`\$\w+|\{@`)
	for _, p := range read(t).Panels {
		for _, q := range p.Targets {
			if !strings.Contains(q.Expr, `job=~"$job",instance=~"$instance"`) {
				t.Errorf("%q does not choose instances: %s", p.Title, q.Expr)
			}
			if n < len(got) && strings.NewReplacer("$job", ".+", "$instance", ".+", "$__rate_interval", "1m").Replace(q.Expr) != got[n] {
				t.Errorf("query %d is %s, in the file %s", n, got[n], q.Expr)
			}
			n++
		}
	}
	if n != len(got) || n < 50 {
		t.Errorf("there are %d queries, %d in the file", len(got), n)
	}
	for _, q := range got {
		if variable.MatchString(q) {
			t.Errorf("Prometheus does not know the variable of %s", q)
		}
	}
}

func TestVariables(t *testing.T) {
	var names []string
	for _, v := range read(t).Templating.List {
		names = append(names, v.Name)
	}
	if got := strings.Join(names, " "); got != "datasource job instance" {
		t.Errorf("the variables are %s", got)
	}
}
