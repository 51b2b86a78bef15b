package uitest

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/server"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// nowhere is a sink.
type nowhere struct{}

func (nowhere) Open(context.Context) error                 { return nil }
func (nowhere) Write(context.Context, *result.Batch) error { return nil }
func (nowhere) Close(context.Context) error                { return nil }

// TestTheRealThing shows a pipeline that runs, by the server itself: made-up
// answers would not show where the two have come apart.
func TestTheRealThing(t *testing.T) {
	chromium(t)
	quiet := slog.New(slog.DiscardHandler)
	recent, samples := server.NewRecent(), server.NewSamples()
	p, err := pipeline.New("real-thing").From(&source.Generate{EventsPerSecond: 2000}).EventTime("timestamp", event.RFC3339).
		OutOfOrderness(2*time.Second).Logger(quiet).Observe(pipeline.Observer{Results: recent.Results, Late: samples.Late, Dead: samples.Dead}).
		Query("models").Filter(`type == "performance_metrics"`).KeyBy("model").Window(window.Tumbling(time.Second)).
		Aggregate(aggregate.Count().As("requests"), aggregate.Percentile("latency_ms", 50).As("p50_ms"), aggregate.Percentile("latency_ms", 95).As("p95_ms")).
		To(nowhere{}).Build()
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Config{
		Listen: "127.0.0.1:0", Pipeline: p, Recent: recent, Samples: samples, Metrics: http.NotFoundHandler(), Level: new(slog.LevelVar), Logger: quiet,
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := p.Run(ctx)
		done <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		closing, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Close(closing); err != nil {
			t.Error(err)
		}
	})

	b := open(t, s.URL()+"/", desk)
	b.untilText("#name", "real-thing")
	b.untilText("#phase", "running")
	b.untilText("#connection", "live")
	b.untilText("#flow", "models")
	b.untilText("#ledger", "✓ adds up")
	b.untilText("#partitions tr.holds", "generate")
	b.untilText("#why .reason", "max_out_of_orderness")
	b.untilText(".open", "closes")
	b.untilText("#plan", "tumbling")
	b.until(`document.querySelectorAll(".rows tbody tr").length > 4`)
	b.until(drawn)
	b.noComplaints()
}
