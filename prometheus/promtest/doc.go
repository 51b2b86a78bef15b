// Package promtest starts a real Prometheus server for tests, on a loopback
// port and with a folder of its own, and asks it. A test is skipped by name
// where it is not installed.
package promtest
