// Package examples holds configs to start from, recorded events in data/, and
// the results that the two must give.
package examples
