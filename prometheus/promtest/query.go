package promtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/internal/servertest"
)

// Sample is one series of an answer: its labels, with its name as __name__, and
// its value.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// client keeps no connections, so that none outlives a server.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (s *Server) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// Ask evaluates an expression now: a vector's series, or a scalar as one without
// labels.
func (s *Server) Ask(ctx context.Context, expr string) ([]Sample, error) {
	resp, err := s.get(ctx, "/api/v1/query?"+url.Values{"query": {expr}}.Encode())
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("reading the answer to %s (%s): %w", expr, resp.Status, err)
	}
	switch {
	case answer.Status != "success":
		return nil, fmt.Errorf("asking for %s: %s", expr, answer.Error)
	case answer.Data.ResultType == "scalar":
		return scalar(answer.Data.Result)
	}
	return vector(answer.Data.Result)
}

func vector(text []byte) ([]Sample, error) {
	var series []struct {
		Metric map[string]string
		Value  [2]any
	}
	if err := json.Unmarshal(text, &series); err != nil {
		return nil, err
	}
	samples := make([]Sample, len(series))
	for i, one := range series {
		v, err := number(one.Value)
		if err != nil {
			return nil, err
		}
		samples[i] = Sample{one.Metric, v}
	}
	return samples, nil
}

func scalar(text []byte) ([]Sample, error) {
	var pair [2]any
	if err := json.Unmarshal(text, &pair); err != nil {
		return nil, err
	}
	v, err := number(pair)
	return []Sample{{nil, v}}, err
}

// number is the value of a pair of a time and a text.
func number(pair [2]any) (float64, error) {
	text, ok := pair[1].(string)
	if !ok {
		return 0, fmt.Errorf("the value %v is no text", pair[1])
	}
	return strconv.ParseFloat(text, 64)
}

// Query evaluates an expression until it has an answer that is not empty: what
// is scraped takes a moment.
func (s *Server) Query(t testing.TB, expr string) []Sample {
	t.Helper()
	return s.Until(t, expr, func(samples []Sample) bool { return len(samples) > 0 })
}

// Until evaluates an expression until its answer is as wanted. An error is one
// of the test's.
func (s *Server) Until(t testing.TB, expr string, wanted func([]Sample) bool) []Sample {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		samples, err := s.Ask(ctx, expr)
		switch {
		case err != nil:
			t.Fatal(err)
		case wanted(samples):
			return samples
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("the answer to %s stays %v", expr, samples)
		}
	}
}
