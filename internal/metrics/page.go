package metrics

import (
	"bytes"
	"fmt"
	"strings"
)

const pageHead = `# Metrics

<!-- Made from the table of metrics in internal/metrics; do not edit. Run go test ./internal/metrics -run Page -update. -->

With a ` + "`server`" + ` section in the config these are served at ` + "`/metrics`" + `, beside those of Go (` + "`go_…`" + `) and of the process
(` + "`process_…`" + `), in the text format, OpenMetrics or Protobuf, whichever the scraper asks for. What
the sink ` + "`prometheus`" + ` shows is there too: see [prometheus.md](prometheus.md), which also says how to scrape.

- Values are read from the pipeline when somebody asks. Between two scrapes nothing is computed but the histograms.
- Counters are of this run. The outcomes of ` + "`processor_query_events_total`" + ` add up to the records that each query read; over
  the whole life of the state they are in ` + "`ledger`" + ` of the [API](api.md).
- Histograms have the buckets below and native ones that grow by a tenth. From 2.40 on Prometheus takes those with
  ` + "`--enable-feature=native-histograms`" + `.
- ` + "`partition`" + ` is TOPIC/NUMBER, or the name of a file. Partitions that have ended are not shown, and of more than 1,000 only
  the first ones by topic, number and path; ` + "`processor_partitions`" + ` counts all. No other label depends on the data:
  ` + "`query` and `sink`" + ` are names from the config.
- ` + "`processor_sink_up`" + ` is the state of a sink's breaker: 0 from when an attempt has failed until one succeeds. Meanwhile its
  rows wait, and are tried again with growing pauses.
- What does not apply is absent: epochs and checkpoints with state in memory, a watermark before there is one.
- An average of quantiles is none: use ` + "`histogram_quantile`" + ` over the sum of buckets.

| metric | type | unit | labels | what it is |
|---|---|---|---|---|
`

// Page is docs/metrics.md.
func Page() []byte {
	var b bytes.Buffer
	b.WriteString(pageHead)
	for _, m := range all {
		labels := ""
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Type, m.Unit, labels, m.Help)
	}
	b.WriteString("\n## Buckets\n\n")
	for _, m := range all {
		if m.Type != histogram {
			continue
		}
		bounds := make([]string, len(m.buckets))
		for i, v := range m.buckets {
			bounds[i] = fmt.Sprint(v)
		}
		fmt.Fprintf(&b, "- `%s`: %s\n", m.Name, strings.Join(bounds, ", "))
	}
	return b.Bytes()
}
