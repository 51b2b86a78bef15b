// Package kafkatest starts a real Kafka broker for tests: one process, in the
// broker's and the controller's role, on loopback ports. scripts/servers.sh
// puts what it needs into a cache folder; without that, tests are skipped by
// name.
package kafkatest
