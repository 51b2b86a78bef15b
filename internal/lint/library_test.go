package lint

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// fromGo is the README's example of the library: the lines between the braces
// stand there word for word, and here they compile.
func fromGo(ctx context.Context) error {
	p, err := pipeline.New("llm-health").
		From(&source.File{Path: "data/*.jsonl"}).
		EventTime("timestamp", event.RFC3339).
		Query("model_minute").
		Filter(`type == "performance_metrics"`).
		KeyBy("model", "metadata.tenant").
		Window(window.Tumbling(time.Minute)).AllowedLateness(30*time.Second).
		Aggregate(aggregate.Count().As("requests"), aggregate.Percentile("latency_ms", 95).As("p95_ms")).
		To(sink.NewStdout(os.Stdout, sink.JSON)).
		Build()
	if err != nil {
		return err
	}
	summary, err := p.Run(ctx)
	if err != nil {
		return err
	}
	for _, q := range summary.Queries {
		fmt.Fprintf(os.Stderr, "%s: %d read, %d late\n", q.Query, q.Read, q.Late)
	}
	return nil
}

func TestLibraryExampleIsTheREADMEs(t *testing.T) {
	const file = "library_test.go"
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(code), "func fromGo(ctx context.Context) error {\n")
	body, _, _ = strings.Cut(body, "\n}\n")
	var lines []string
	for line := range strings.Lines(body) {
		lines = append(lines, strings.TrimPrefix(line, "\t"))
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+strings.Join(lines, "")+"\n```") {
		t.Errorf("the Go example in README.md is not the body of fromGo in internal/lint/%s", file)
	}
}

// TestLibraryExampleRuns ends where its input is missing, and not before.
func TestLibraryExampleRuns(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := fromGo(t.Context()); err == nil || !strings.Contains(err.Error(), "data/*.jsonl") {
		t.Errorf("without input the example says %v", err)
	}
}
