package config

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/internal/logging"
)

const telemetryConfig = `
name: small
source: {stdin: {}}
event: {time: {field: ts, format: unix_ms}}
queries:
  - name: q
    window: {tumbling: 1m}
    aggregate: {n: count()}
sinks: [stdout: {}]
`

func TestTelemetryConfig(t *testing.T) {
	if c := parseWith(t, telemetryConfig); c.Telemetry != nil {
		t.Errorf("without the section there is %v", c.Telemetry)
	}
	c := parseWith(t, telemetryConfig+`telemetry: {endpoint: "https://otel:4318"}`).Telemetry
	if c.Endpoint != "https://otel:4318" || c.Sample != 0.01 || c.Service != "processor" || len(c.Headers) != 0 {
		t.Errorf("the defaults are %+v", c)
	}
	c = parseWith(t, telemetryConfig+`
telemetry:
  endpoint: "http://otel:4318/v1/traces"
  headers: {Authorization: "Bearer ${KAFKA_PASSWORD}", x-tenant: "${KAFKA_PASSWORD}"}
  sample: 1
  service: stats
`, "PROCESSOR_TELEMETRY__HEADERS__TENANT=a", "PROCESSOR_TELEMETRY__SAMPLE=0.5").Telemetry
	if got := c.Headers["Authorization"].Reveal() + " " + c.Headers["x-tenant"].Reveal() + " " + c.Headers["tenant"].Reveal(); got != "Bearer canary-7d1f canary-7d1f a" {
		t.Errorf("the headers are %s", got)
	}
	if text := fmt.Sprintf("%+v", c); strings.Contains(text, "canary") || c.Sample != 0.5 || c.Service != "stats" {
		t.Errorf("the settings are %s", text)
	}
}

func TestLoggerFollowsTheLevel(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		c := parseWith(t, telemetryConfig+"log: {level: warn, format: "+format+"}")
		var out bytes.Buffer
		log := c.Logger(&out)
		log.Info("one")
		c.LogLevel.Set(slog.LevelInfo)
		for range 8 {
			log.Info("two")
		}
		if err := logging.Flush(log); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if strings.Contains(text, "one") || strings.Count(text, "two") != 6 || !strings.Contains(text, "repeated") {
			t.Errorf("%s: the log has\n%s", format, text)
		}
		if isJSON := strings.HasPrefix(text, "{"); isJSON != (format == "json") {
			t.Errorf("%s: the log has\n%s", format, text)
		}
	}
}
