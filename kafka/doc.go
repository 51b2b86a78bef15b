// Package kafka reads events from Kafka topics and writes results to them.
//
// A Source hands out the partitions of topics; positions live in the durable
// state of the pipeline and are mirrored to a consumer group for others to see.
//
// A Sink writes results in transactions, each with a mark of how far it has
// got, so that a reader with isolation.level=read_committed sees every row
// once, whatever crashes in between. Where rows are to be seen at once instead,
// Sink.Plain writes them without transactions, at least once.
//
// Both reach the cluster through a Cluster: plain or TLS, with or without SASL.
package kafka
