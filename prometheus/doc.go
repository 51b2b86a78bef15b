// Package prometheus is the sink that shows the last final window of each query
// and key to Prometheus, which comes to fetch them. promtest starts a real
// server.
package prometheus
