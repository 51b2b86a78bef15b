// Package gen makes synthetic LLM events, one JSON object a line, in the
// shapes the Collector publishes. Everything is a function of a seed.
//
// Traffic is what the generate source plays: models, sessions, feedback, with
// an incident now and then. Bench is the workload of the benchmarks: plain
// statistics, written as fast as a disk takes them. Collector and CloudEvents
// are the recorded samples in examples/data.
package gen
