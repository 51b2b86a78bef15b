// Package lint holds the rules of the house as tests: who may import whom,
// where goroutines and exits may stand, how long functions and files grow, and
// that the documents point at things that exist. It has no code of its own.
package lint
