// Package tracing sends spans to a collector, by OTLP over HTTP. It is the only
// room that knows the SDK of OpenTelemetry; all others make spans by its API.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/llm-optimizer/processor/secret"
)

// Config says where spans go and whose they are.
type Config struct {
	// Endpoint is the URL of the collector: http:// or, with TLS, https://.
	// Without a path it is /v1/traces.
	Endpoint string
	// Headers are sent with every request.
	Headers map[string]secret.Text
	// Service, Version and Pipeline name the process in the spans: as
	// service.name, service.version and processor.pipeline.
	Service, Version, Pipeline string
	// Log is told, now and then, that spans could not be sent; nil means
	// slog.Default().
	Log *slog.Logger
}

// Tracing makes spans and sends them. Spans wait for the collector in a bounded
// queue, and those that find it full are dropped: who makes them never waits.
type Tracing struct {
	provider *sdk.TracerProvider
	exporter *exporter
}

const (
	// exportTimeout bounds an attempt to send spans, with its repetitions.
	exportTimeout = 30 * time.Second
	firstRetry    = time.Second
	longestRetry  = 10 * time.Second
)

// New begins to send spans. It does not ask whether the collector is there. All
// spans are sent: which are made is for who makes them to say.
func New(ctx context.Context, c Config) (*Tracing, error) {
	to, err := tracesURL(c.Endpoint)
	if err != nil {
		return nil, err
	}
	headers := map[string]string{}
	for name, value := range c.Headers {
		headers[name] = value.Reveal()
	}
	client, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(to.String()),
		otlptracehttp.WithHeaders(headers),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: firstRetry, MaxInterval: longestRetry, MaxElapsedTime: exportTimeout,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("making an exporter of traces to %s: %w", to.Redacted(), err)
	}
	t := &Tracing{exporter: newExporter(client, c, to.Redacted())}
	t.provider = sdk.NewTracerProvider(
		sdk.WithBatcher(t.exporter, sdk.WithExportTimeout(exportTimeout)),
		sdk.WithSampler(sdk.AlwaysSample()),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", c.Service),
			attribute.String("service.version", c.Version),
			attribute.String("processor.pipeline", c.Pipeline),
			attribute.String("telemetry.sdk.name", "opentelemetry"),
			attribute.String("telemetry.sdk.language", "go"),
		)),
	)
	return t, nil
}

// tracesURL is the URL that spans are sent to.
func tracesURL(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return nil, errors.New("the endpoint of telemetry is no URL, want one such as http://localhost:4318")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil:
		return nil, fmt.Errorf("the endpoint of telemetry is %s, want http://HOST:PORT or https://HOST:PORT; a password goes into a header", u.Redacted())
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u, nil
}

// Tracer makes the spans.
func (t *Tracing) Tracer() trace.Tracer {
	return t.provider.Tracer("github.com/llm-optimizer/processor")
}

// Close sends what waits, until ctx ends, and gives everything back. What could
// not be sent was told to the log.
func (t *Tracing) Close(ctx context.Context) error {
	defer t.exporter.giveUp()
	defer context.AfterFunc(ctx, t.exporter.giveUp)()
	// With a context that has ended the provider would leave its goroutine behind:
	// it is the exporter that gives up then, and the provider that is waited for.
	err := t.provider.Shutdown(context.WithoutCancel(ctx))
	t.exporter.last()
	if err != nil {
		return fmt.Errorf("sending the last spans: %w", t.exporter.clean(err))
	}
	return nil
}
