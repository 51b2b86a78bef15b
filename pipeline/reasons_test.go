package pipeline

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/llm-optimizer/processor/result"
)

// TestReasonsAreTheDocuments wants docs/results.md to explain each reason there
// is, and all of them to be counted from the start.
func TestReasonsAreTheDocuments(t *testing.T) {
	text, err := os.ReadFile("../docs/results.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	table := regexp.MustCompile(`(?s)\| reason \| the record \|\n.*?(\n\n|$)`).Find(text)
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllSubmatch(table, -1) {
		for _, name := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllSubmatch(row[1], -1) {
			explained = append(explained, string(name[1]))
		}
	}
	known := slices.Sorted(slices.Values(deadReasons))
	if slices.Sort(explained); !slices.Equal(known, explained) {
		t.Errorf("counted are %q, explained %q", known, explained)
	}
	var r reasons
	if n, ok := r.counts()["depth"]; len(r.counts()) != len(deadReasons) || !ok || n != 0 {
		t.Errorf("at the start there are %v", r.counts())
	}
	r.add([]result.DeadLetter{{Reason: "json"}, {Reason: "json"}})
	if r.counts()["json"] != 2 || len(r.counts()) != len(deadReasons) {
		t.Errorf("after two there are %v", r.counts())
	}
}
