package config

import (
	"net/url"
	"regexp"

	"github.com/llm-optimizer/processor/secret"
)

// Telemetry says where spans go.
type Telemetry struct {
	// Endpoint is the URL of the collector, Headers what is sent with every
	// request to it.
	Endpoint string
	Headers  map[string]secret.Text
	// Sample is the share of batches that have a span, from 0 to 1.
	Sample float64
	// Service is the name of the service in traces.
	Service string
}

// headerName is a token of RFC 9110.
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// telemetry reads the section, nil when there is none.
func (l *loader) telemetry(v view) *Telemetry {
	if !v.given() {
		return nil
	}
	t := &Telemetry{
		Endpoint: v.text("endpoint"), Headers: map[string]secret.Text{},
		Sample: v.fraction("sample"), Service: v.text("service"),
	}
	if at := v.at("endpoint"); at.given() && l.sound(at.path) {
		l.checkEndpoint(at, t.Endpoint)
	}
	headers := v.at("headers")
	v.pairs("headers", func(name, _ string, n *node) {
		at := view{n: n, s: headers.s.child(name), path: join(headers.path, name)}
		if !headerName.MatchString(name) {
			l.add(at.path, at.place(), "is no name for a header; use letters, digits and hyphens")
			return
		}
		t.Headers[name] = l.secretOr(at, "")
	})
	return t
}

func (l *loader) checkEndpoint(v view, endpoint string) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "":
		l.add(v.path, v.place(), "is no URL; write one such as http://localhost:4318")
	case u.User != nil:
		l.add(v.path, v.place(), "has a user or a password in it; put them into a header, such as authorization")
	}
}
