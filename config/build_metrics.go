package config

import (
	"strings"

	client "github.com/prometheus/client_golang/prometheus"

	"github.com/llm-optimizer/processor/otlp"
	"github.com/llm-optimizer/processor/prometheus"
	"github.com/llm-optimizer/processor/secret"
)

// Collectors are what the sinks of the kind prometheus show: register them where
// Prometheus fetches from.
func (c *Config) Collectors() []client.Collector {
	var all []client.Collector
	for _, s := range c.Spec.Sinks {
		if p, ok := s.Sink.(*prometheus.Sink); ok {
			all = append(all, p.Collector())
		}
	}
	return all
}

func (l *loader) prometheusSink(v view, meta bool) *prometheus.Sink {
	s := &prometheus.Sink{Prefix: v.text("prefix"), MaxSeries: int(v.integer("max_series")), Expire: v.duration("expire")}
	l.noMeta(v, meta)
	l.logged = append(l.logged, &s.Log)
	return s
}

func (l *loader) otlpSink(v view, meta bool) *otlp.Sink {
	s := &otlp.Sink{Endpoint: v.text("endpoint"), Headers: l.headers(v), Timeout: v.duration("timeout"), Compression: v.text("compression")}
	at := v.at("endpoint")
	if err := otlp.CheckEndpoint(s.Endpoint); err != nil && at.given() {
		l.add(at.path, at.place(), "%v", err)
	}
	l.noMeta(v, meta)
	l.logged = append(l.logged, &s.Log)
	return s
}

// noMeta refuses a wish that a kind of sink cannot fulfil.
func (l *loader) noMeta(v view, meta bool) {
	if meta {
		l.add(v.path, v.place(), "has no place for meta; leave meta out")
	}
}

// secretHeaders are words in the names of headers that hold secrets.
var secretHeaders = []string{"auth", "key", "token", "secret", "password", "cookie", "credential"}

// headers reads the headers of requests. What looks like a secret must not stand
// in the file.
func (l *loader) headers(v view) map[string]secret.Text {
	headers := map[string]secret.Text{}
	v.pairs("headers", func(name, text string, n *node) {
		path := join(join(v.path, "headers"), name)
		one := map[string]secret.Text{name: secret.New(text)}
		switch err := otlp.CheckHeaders(one); {
		case err != nil:
			l.add(path, n.at, "%v", err)
		case len(n.secrets) == 0 && n.at.variable == "" && soundsSecret(name):
			l.add(path, n.at, "stands in the file for all to read; write ${NAME} for an environment variable that holds it")
		}
		headers[name] = one[name]
	})
	return headers
}

func soundsSecret(header string) bool {
	header = strings.ToLower(header)
	for _, word := range secretHeaders {
		if strings.Contains(header, word) {
			return true
		}
	}
	return false
}

// checkServed refuses sinks that nobody could fetch from, or whose metrics would
// have the names of another's.
func (l *loader) checkServed(root view) {
	// Without the setting there is no server either.
	served := root.at("server").given()
	sinks, prefixes := root.at("sinks"), map[string]int{}
	for i := range sinks.items() {
		v := sinks.item(i)
		if v.kind() != "prometheus" {
			continue
		}
		v = v.at("prometheus")
		if !served {
			l.add(v.path, v.place(), "is fetched from /metrics, and without a server section nothing listens; add one, such as server: {listen: \"127.0.0.1:8080\"}")
		}
		if at := v.at("prefix"); at.given() && at.n.value == nil {
			continue // it is wrong in itself
		}
		prefix := v.text("prefix")
		if line, taken := prefixes[prefix]; taken {
			l.add(v.path+".prefix", v.place(), "the sink in line %d has the prefix %q too; give each one of its own", line, prefix)
		}
		prefixes[prefix] = v.place().line
	}
}
