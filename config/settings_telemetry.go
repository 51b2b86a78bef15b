package config

// telemetrySettings say where spans go.
var telemetrySettings = []setting{
	{Path: "telemetry", Kind: section, Note: "off", Since: first, Example: `{endpoint: "http://localhost:4318"}`,
		Doc: "Send traces to a collector, by OTLP over HTTP. docs/tracing.md says which spans there are."},
	{Path: "telemetry.endpoint", Kind: text, Required: true, Since: first, Example: `"http://localhost:4318"`,
		Pattern: `^https?://[^/?#]`, PatternDoc: "a URL with http:// or https://",
		Doc: "Where the collector is. Without a path it is /v1/traces. https:// checks the certificate by the roots of the system."},
	{Path: "telemetry.headers", Kind: exprs, Default: "{}", Since: first, Example: `{authorization: "Bearer ${OTLP_TOKEN}"}`,
		Doc: "Sent with every request, name: value. Write a value as ${NAME}: it is taken for a secret."},
	{Path: "telemetry.headers.<name>", Kind: text, Pattern: `.`, PatternDoc: "some text", Since: first, Example: `"Bearer ${OTLP_TOKEN}"`,
		Doc: "The value of one header, from an environment variable."},
	{Path: "telemetry.sample", Kind: fraction, Default: "0.01", Since: first, Example: "0.1",
		Doc: "The share of batches of events that have a span. What is rarer, such as epochs and what sinks are given, always has one."},
	{Path: "telemetry.service", Kind: text, Default: "processor", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "llm-stats",
		Doc: "The name of the service in traces (service.name)."},
}
