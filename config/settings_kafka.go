package config

import "slices"

// kafkaSource declares the settings of topics to read.
var kafkaSource = slices.Concat(
	[]setting{
		{Path: "source.kafka", Kind: section, Since: first, Example: "{brokers: [localhost:9092], topics: [feedback-events]}",
			Doc: "Topics of Kafka. Each of their partitions is a partition; this process reads all of them."},
	},
	kafkaCluster("source.kafka"),
	[]setting{
		{Path: "source.kafka.topics", Kind: names, Note: "none", Since: first, Example: "[feedback-events]",
			Doc: "The topics to read. They must exist."},
		{Path: "source.kafka.topic_pattern", Kind: text, Note: "none", Pattern: `.`, PatternDoc: "some text", Since: first, Example: `"feedback-.*"`,
			Doc: "Instead of topics: a regular expression that the whole name matches. Topics that appear later are read too."},
		{Path: "source.kafka.start", Kind: text, Default: "earliest", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "latest",
			Doc: "Where a partition begins of which the state has no position: earliest, latest, or a time such as 2026-01-31T08:00:00Z (by the timestamps of Kafka). Windows that began before are marked partial."},
		{Path: "source.kafka.stop", Kind: choice, Off: true, Note: "never", Values: []string{"latest"}, Since: first, Example: "latest",
			Doc: "latest: end at what was the end when the run began, as for a backfill. \"\": never."},
		{Path: "source.kafka.isolation", Kind: choice, Default: "read_committed", Values: []string{"read_committed", "read_uncommitted"}, Since: first, Example: "read_uncommitted",
			Doc: "Whether to leave out what transactions wrote that were aborted."},
		{Path: "source.kafka.group", Kind: text, Note: "the pipeline's name", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "llm-health",
			Doc: "The consumer group that shows the positions to tools that watch the lag. The state is what counts: nothing is read from it."},
		{Path: "source.kafka.buffer", Kind: size, Default: "16MiB", Min: 1 << 20, Max: 1 << 34, Since: first, Example: "64MiB",
			Doc: "How much of what was fetched may wait to be processed, uncompressed, over all partitions."},
	},
)

// kafkaSink declares the settings of a topic to write.
func kafkaSink(path, what string) []setting {
	topic, topicDoc := "aggregated-metrics", "The topic. {query} in it stands for the name of the row's query."
	if what != "results" {
		topic = what + "-events"
	}
	if what == "dead" {
		topicDoc = "The topic. {query} in it stands for the name of the query that alone cannot use the record, or all."
	}
	path += ".kafka"
	encoding := []setting{
		{Path: path + ".encoding", Kind: choice, Default: "native", Values: []string{"native", "window_result", "metric_point", "analyzer_event"}, Since: first, Example: "analyzer_event",
			Doc: "What a record looks like; docs/encodings.md shows one of each."},
	}
	if what != "results" {
		encoding = nil // these rows have one form
	}
	return slices.Concat(
		[]setting{
			{Path: path, Kind: section, Since: first, Example: "{brokers: [localhost:9092], topic: " + topic + "}",
				Doc: "A topic of Kafka. With durable state and exactly_once the rows of an epoch and a mark are one transaction."},
		},
		kafkaCluster(path),
		encoding,
		[]setting{
			{Path: path + ".topic", Kind: text, Required: true, Pattern: `^[A-Za-z0-9._{}-]+$`, PatternDoc: "letters, digits, dots, underscores and hyphens", Since: first, Example: topic,
				Doc: topicDoc},
			{Path: path + ".compression", Kind: choice, Default: "lz4", Values: []string{"none", "gzip", "snappy", "lz4", "zstd"}, Since: first, Example: "zstd",
				Doc: "How batches are compressed."},
			{Path: path + ".create", Kind: section, Note: "missing topics are an error", Since: first, Example: "{partitions: 4, replicas: 3}",
				Doc: "Create topics that are missing."},
			{Path: path + ".create.partitions", Kind: integer, Default: "0", Min: 0, Max: 100_000, Since: first, Example: "4",
				Doc: "How many partitions. 0: as the brokers have it."},
			{Path: path + ".create.replicas", Kind: integer, Default: "0", Min: 0, Max: 100, Since: first, Example: "3",
				Doc: "How many replicas. 0: as the brokers have it."},
			{Path: path + ".marker_topic", Kind: text, Default: "processor-epochs", Pattern: `^[A-Za-z0-9._-]+$`, PatternDoc: "letters, digits, dots, underscores and hyphens", Since: first, Example: "processor-epochs",
				Doc: "The compacted topic with the marks of all sinks: how far each has got. It is created if it is missing."},
			{Path: path + ".transaction_timeout", Kind: duration, Default: "1m", Min: 1e9, Max: 900e9, Since: first, Example: "30s",
				Doc: "When brokers give up a transaction of a process that has died for good: until then readers of committed records wait."},
		},
	)
}

// kafkaCluster declares how a cluster is reached.
func kafkaCluster(path string) []setting {
	return []setting{
		{Path: path + ".brokers", Kind: names, Required: true, Since: first, Example: "[localhost:9092]",
			Doc: "Some of the brokers, HOST:PORT; the others are found through them."},
		{Path: path + ".client_id", Kind: text, Default: "processor", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "processor",
			Doc: "What brokers call this client in logs and quotas."},
		{Path: path + ".tls", Kind: section, Note: "plain text", Since: first, Example: "{ca_file: /etc/kafka/ca.pem}",
			Doc: "Encrypt connections; {} trusts the system's authorities. Files are read again for each connection, so certificates can be renewed."},
		{Path: path + ".tls.ca_file", Kind: text, Note: "the system's authorities", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "/etc/kafka/ca.pem",
			Doc: "The authorities that sign the brokers' certificates, PEM."},
		{Path: path + ".tls.cert_file", Kind: text, Note: "none", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "/etc/kafka/client.pem",
			Doc: "Our certificate, PEM, for brokers that ask for one."},
		{Path: path + ".tls.key_file", Kind: text, Note: "none", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "/etc/kafka/client.key",
			Doc: "The key of our certificate, PEM."},
		{Path: path + ".tls.server_name", Kind: text, Note: "the broker's host", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "kafka.internal",
			Doc: "The name that brokers' certificates must have."},
		{Path: path + ".tls.skip_verify", Kind: boolean, Default: "false", Since: first, Example: "true",
			Doc: "Accept any certificate. Anyone in between can then read and change everything."},
		{Path: path + ".sasl", Kind: section, Note: "none", Since: first, Example: "{mechanism: scram-sha-512, username: processor, password: \"${KAFKA_PASSWORD}\"}",
			Doc: "Who we are."},
		{Path: path + ".sasl.mechanism", Kind: choice, Required: true, Values: []string{"plain", "scram-sha-256", "scram-sha-512", "oauthbearer"}, Since: first, Example: "scram-sha-512",
			Doc: "How we prove it."},
		{Path: path + ".sasl.username", Kind: text, Note: "none", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "processor",
			Doc: "The user."},
		{Path: path + ".sasl.password", Kind: text, Note: "none", Pattern: `.`, PatternDoc: "some text", Since: first, Example: `"${KAFKA_PASSWORD}"`,
			Doc: "The password, from an environment variable."},
		{Path: path + ".sasl.password_file", Kind: text, Note: "none", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "/run/secrets/kafka",
			Doc: "Instead of password: a file that holds it."},
		{Path: path + ".sasl.token", Kind: text, Note: "none", Pattern: `.`, PatternDoc: "some text", Since: first, Example: `"${KAFKA_TOKEN}"`,
			Doc: "The token for oauthbearer, from an environment variable."},
		{Path: path + ".sasl.token_file", Kind: text, Note: "none", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "/run/secrets/kafka-token",
			Doc: "Instead of token: a file that holds it, read again for each connection."},
	}
}
