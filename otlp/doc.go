// Package otlp is the sink that pushes final windows as metrics to whatever
// takes the OpenTelemetry protocol over HTTP. It is the only room that knows
// that protocol for results.
package otlp
