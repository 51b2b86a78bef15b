package kafkatest

import (
	"fmt"
	"os"
	"strings"
)

// The files in the broker's folder.
const (
	propertiesFile = "server.properties"
	log4jFile      = "log4j2.yaml"
)

func (b *Broker) data() string { return b.folder.File("data") }

// properties is the broker's configuration.
func (b *Broker) properties() string {
	listeners := []string{"PLAIN://" + b.addr, "INTERNAL://" + b.internal, "CONTROLLER://" + b.controller}
	advertised := []string{"PLAIN://" + b.advertised(), "INTERNAL://" + b.internal}
	protocols := []string{"PLAIN:PLAINTEXT", "INTERNAL:PLAINTEXT", "CONTROLLER:PLAINTEXT"}
	var extra []string
	for _, l := range b.listeners {
		listeners = append(listeners, l.name+"://"+l.addr)
		advertised = append(advertised, l.name+"://"+l.addr)
		protocols = append(protocols, l.name+":"+l.protocol)
		extra = append(extra, l.settings...)
	}
	lines := []string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + b.controller,
		"controller.listener.names=CONTROLLER",
		// The broker talks to itself too, and that no proxy is to disturb.
		"inter.broker.listener.name=INTERNAL",
		"listeners=" + strings.Join(listeners, ","),
		"advertised.listeners=" + strings.Join(advertised, ","),
		"listener.security.protocol.map=" + strings.Join(protocols, ","),
		"log.dirs=" + b.data(),
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=4",
		"offsets.topic.segment.bytes=1048576",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"transaction.state.log.num.partitions=4",
		"transaction.state.log.segment.bytes=1048576",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"share.coordinator.state.topic.num.partitions=1",
		"group.initial.rebalance.delay.ms=0",
		"auto.create.topics.enable=false",
		"log.initial.task.delay.ms=1000",
		"log.cleaner.backoff.ms=500",
		"log.cleaner.dedupe.buffer.size=8388608",
		"log.retention.check.interval.ms=1000",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
		"controlled.shutdown.enable=false",
	}
	if !b.fullSpeed {
		// After a crash the broker may register again when its session is over.
		lines = append(lines, "broker.session.timeout.ms=2000", "broker.heartbeat.interval.ms=300")
	}
	lines = append(lines, extra...)
	lines = append(lines, b.settings...)
	return strings.Join(lines, "\n") + "\n"
}

const log4j = `Configuration:
  Appenders:
    Console: {name: out, PatternLayout: {Pattern: "%d %p %m (%c)%n"}}
  Loggers:
    Root: {level: WARN, AppenderRef: {ref: out}}
`

// write makes the broker's files.
func (b *Broker) write() error {
	for name, text := range map[string]string{propertiesFile: b.properties(), log4jFile: log4j} {
		if err := os.WriteFile(b.folder.File(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("writing the broker's %s: %w", name, err)
		}
	}
	return nil
}
