package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/sink"
)

// How often troubles are looked for, how long one lasts before it is told, and
// after how long it is told again.
const (
	troublesEvery = time.Second
	troubleGrace  = 2 * time.Second
	troubleAgain  = time.Minute
)

// logTroubles says in the log when a sink takes no rows, and when it does again,
// until ctx ends. Sinks try again by themselves, so that nobody else would.
func (p *Pipeline) logTroubles(ctx context.Context, log *slog.Logger) {
	told := make([]time.Time, len(p.lanes))
	began := make([]time.Time, len(p.lanes))
	t := time.NewTicker(troublesEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for i, l := range p.lanes {
			since, err := troubleWith(l.Sink)
			now := time.Now()
			switch {
			case err == nil && !told[i].IsZero():
				log.InfoContext(ctx, "a sink takes rows again", "sink", l.Name, "after", now.Sub(began[i]).Round(time.Second))
				told[i] = time.Time{}
			case err != nil && now.Sub(since) >= troubleGrace && now.Sub(told[i]) >= troubleAgain:
				log.WarnContext(ctx, "a sink takes no rows, trying again", "sink", l.Name, "for", now.Sub(since).Round(time.Second), "error", err)
				told[i], began[i] = now, since
			}
		}
	}
}

// troubleWith is what keeps a sink from taking rows, and since when.
func troubleWith(s sink.Sink) (since time.Time, err error) {
	if rep, ok := s.(sink.Reporter); ok {
		return rep.Trouble()
	}
	return time.Time{}, nil
}

// blame names the sinks that take no rows, for an error; empty if all do.
func (p *Pipeline) blame() string {
	var text strings.Builder
	for _, l := range p.lanes {
		if since, err := troubleWith(l.Sink); err != nil {
			fmt.Fprintf(&text, "; sink %s has taken no rows since %s: %s", l.Name, since.UTC().Format(time.RFC3339), err)
		}
	}
	return text.String()
}
