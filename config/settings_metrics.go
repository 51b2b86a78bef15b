package config

import "github.com/llm-optimizer/processor/prometheus"

// metricSinks declares the kinds of sink that show numbers to monitoring; they
// take results alone.
func metricSinks(path, what string) []setting {
	if what != "results" {
		return nil
	}
	prom, otlp := path+".prometheus", path+".otlp"
	return []setting{
		{Path: prom, Kind: section, Since: first, Example: "{expire: 1h}",
			Doc: "The last final window of each key as gauges, for Prometheus to fetch at /metrics of the server. Needs a server section."},
		{Path: prom + ".prefix", Kind: text, Default: prometheus.DefaultPrefix, Since: first, Example: "llm_",
			Pattern: `^[A-Za-z_][A-Za-z0-9_]*$`, PatternDoc: "letters, digits and _, not beginning with a digit",
			Doc: "Begins the names of the metrics; the name of the aggregate follows. Each sink needs a prefix of its own."},
		{Path: prom + ".max_series", Kind: integer, Default: "10000", Min: 1, Max: 10_000_000, Since: first, Example: "50000",
			Doc: "At most this many series. Keys that come when there is no more room are not shown, and counted."},
		{Path: prom + ".expire", Kind: duration, Default: "10m", Min: 1e9, Max: maxDuration, Since: first, Example: "1h",
			Doc: "How long a series is shown after its last row. It should be longer than the longest window."},

		{Path: otlp, Kind: section, Since: first, Example: "{endpoint: \"http://localhost:4318\"}",
			Doc: "Final windows as OpenTelemetry metrics, pushed over HTTP, at least once."},
		{Path: otlp + ".endpoint", Kind: text, Default: "http://localhost:4318", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "https://otlp.example.com",
			Doc: "The base address of the server; /v1/metrics is added."},
		{Path: otlp + ".headers", Kind: exprs, Default: "{}", Since: first, Example: `{Authorization: "Bearer ${OTLP_TOKEN}"}`,
			Doc: "Headers of each request. Those that look like a secret may come only from environment variables."},
		{Path: otlp + ".headers.<name>", Kind: text, Since: first, Example: `"${OTLP_TOKEN}"`,
			Doc: "The value of one header."},
		{Path: otlp + ".timeout", Kind: duration, Default: "10s", Min: 1e6, Max: maxDuration, Since: first, Example: "30s",
			Doc: "How long one request may take. One that fails for the network, or with 429, 502, 503 or 504, is sent again."},
		{Path: otlp + ".compression", Kind: choice, Default: "gzip", Values: []string{"gzip", "none"}, Since: first, Example: "none",
			Doc: "How requests are compressed."},
	}
}
