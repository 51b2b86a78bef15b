package dashboard

import "strings"

// row is a heading and the panels below it, which fill lines of 24 columns.
type row struct {
	title  string
	panels []panel
}

// panel shows one thing, over time or, if it is a stat, as it is now.
type panel struct {
	title string
	// what says what is shown, what a strange value means and what to do then.
	what  string
	unit  string
	stat  bool
	width uint32
	// tall stats are as high as the plots beside them.
	tall  bool
	lines []line
	// states names values of a stat, such as 1 for ready.
	states []state
	// limits are where a stat's colour changes, lowest first.
	limits []limit
	// stacked lays the lines upon each other: their sum means something.
	stacked bool
}

// line is a query and the name of its series, in which {{label}} is replaced.
// In a query {@} and {@, stand for the labels that the dashboard's variables
// choose: p{@} and p{@,sink="x"}.
type line struct{ query, name string }

// state is a value that has a name.
type state struct{ value, name, colour string }

// limit is where a colour begins.
type limit struct {
	from   float64
	colour string
}

// The colours of Grafana that mean something here.
const (
	good  = "green"
	watch = "orange"
	bad   = "red"
	plain = "blue"
)

// chosen are the instances that the dashboard's variables choose.
const chosen = `job=~"$job",instance=~"$instance"`

// promQL is a line's query as Grafana has it.
func (l line) promQL() string { return strings.ReplaceAll(l.query, "{@", "{"+chosen) }

// Queries are all queries of the dashboard, as Prometheus takes them: for every
// job and instance, and rates over a minute.
func Queries() []string {
	everything := strings.NewReplacer(`"$job"`, `".+"`, `"$instance"`, `".+"`, "$__rate_interval", "1m")
	var all []string
	for _, r := range rows() {
		for _, p := range r.panels {
			for _, l := range p.lines {
				all = append(all, everything.Replace(l.promQL()))
			}
		}
	}
	return all
}

// percentiles are the lines for the 50th, 95th and 99th percentile of a
// histogram, apart by a label unless it is "".
func percentiles(histogram, by string) []line {
	labels, name := "le", ""
	if by != "" {
		labels, name = "le, "+by, " {{"+by+"}}"
	}
	var lines []line
	for _, p := range []struct{ share, name string }{{"0.50", "p50"}, {"0.95", "p95"}, {"0.99", "p99"}} {
		lines = append(lines, line{
			"histogram_quantile(" + p.share + ", sum by (" + labels + ") (rate(" + histogram + "_bucket{@}[$__rate_interval])))",
			p.name + name,
		})
	}
	return lines
}
