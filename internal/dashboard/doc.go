// Package dashboard is the Grafana dashboard of the processor, as data: rows of
// panels, each with what it shows, what that means and what to do about it. The
// file that Grafana imports, deploy/grafana/processor.json, is made from it.
package dashboard
