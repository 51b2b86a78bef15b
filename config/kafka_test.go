package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/kafka"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/postgres"
	"github.com/llm-optimizer/processor/result"
)

const kafkaConfig = `
name: llm-health
preset: collector
source:
  kafka:
    brokers: [a:9092, b]
    topics: [feedback-events]
    start: 2026-01-31T08:00:00Z
    tls: {server_name: kafka.internal}
    sasl: {mechanism: scram-sha-512, username: me, password: "${KAFKA_PASSWORD}"}
queries:
  - name: q
    window: {tumbling: 1m}
    aggregate: {n: count()}
  - name: r
    allowed_lateness: 1h
    window: {tumbling: 1m}
    aggregate: {n: count()}
sinks:
  - kafka: {brokers: [a-1:9092, "b:1", c], topic: "agg-{query}", encoding: analyzer_event, create: {partitions: 3}}
  - postgres: {url: "${DATABASE_URL}", table: llm_stats, history: true, values: jsonb, partition_by: month, retain: 90d}
late_events: {kafka: {brokers: [a-1:9092], topic: late}}
dead_letters: {postgres: {url: "${DATABASE_URL}", table: dead}}
`

var kafkaEnv = []string{"KAFKA_PASSWORD=canary-7d1f", "DATABASE_URL=postgres://me:canary-7d1f@db:5432/llm"}

func parseWith(t *testing.T, text string, environ ...string) *Config {
	t.Helper()
	c, err := Loader{Environ: append(environ, kafkaEnv...)}.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestKafkaConfig(t *testing.T) {
	c := parseWith(t, kafkaConfig)
	src := c.Spec.Source.(*kafka.Source)
	if got := fmt.Sprint(src.Cluster.Brokers, src.Topics, src.Group, src.Start.Time, src.Cluster.TLS.ServerName, src.Cluster.SASL.Username); got !=
		"[a:9092 b] [feedback-events]llm-health2026-01-31 08:00:00 +0000 UTCkafka.internalme" {
		t.Errorf("the source is %s", got)
	}
	if src.Cluster.SASL.Password.Reveal() != "canary-7d1f" {
		t.Error("the password is lost")
	}
	if !src.Traits().Live || c.Spec.State.Store == nil {
		t.Error("a topic without an end is no live source, or its state is in memory")
	}
	to := c.Spec.Sinks[0].Sink.(*kafka.Sink)
	if got := fmt.Sprint(to.Cluster.Brokers); got != "[a-1:9092 b:1 c]" {
		t.Errorf("the brokers of the sink are %s", got)
	}
	if got := fmt.Sprint(to.Topic, " ", to.Encoding, " ", to.Create.Partitions, " ", to.Pipeline, "/", to.Name, " ", to.Compression); got != "agg-{query} analyzer_event 3 llm-health/kafka lz4" {
		t.Errorf("the kafka sink is %s", got)
	}
	pg := c.Spec.Sinks[1].Sink.(*postgres.Sink)
	if got := fmt.Sprint(pg.Table, pg.History, pg.Values, pg.NoCreate, pg.AtOnce, pg.Pipeline, "/", pg.Name, pg.PartitionBy, pg.Retain); got != "llm_statstruejsonbfalse falsellm-health/postgresmonth2160h0m0s" {
		t.Errorf("the postgres sink is %s", got)
	}
	if late := c.Spec.LateEvents.Sink.(*kafka.Sink); late.Topic != "late" || late.Name != "late_events" || late.Encoding != result.Native {
		t.Errorf("late events go to %s as %s", late.Topic, late.Name)
	}
	if dead := c.Spec.DeadLetters.Sink.(*postgres.Sink); dead.DeadTable != "dead" || dead.Table != "" {
		t.Errorf("dead letters go to %q", dead.DeadTable)
	}
	p, err := c.Build()
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"the spec": fmt.Sprintf("%+v %#v", c.Spec, c.Spec), "explain": p.Explain(), "the source": fmt.Sprintf("%+v %#v", src, src.Cluster.SASL)} {
		if strings.Contains(text, "canary") {
			t.Errorf("%s shows a password", what)
		}
	}
}

func TestCollectorPreset(t *testing.T) {
	c := parseWith(t, kafkaConfig, "PROCESSOR_WATERMARK__MAX_OUT_OF_ORDERNESS=30s")
	e := c.Spec.Event
	if e.Format != pipeline.Auto || e.TimeField != "timestamp" || e.Dedup != (pipeline.Dedup{ID: "id", Horizon: time.Hour}) {
		t.Errorf("the preset made %+v", e)
	}
	if got := c.Spec.Watermark.MaxOutOfOrderness; got != 30*time.Second {
		t.Errorf("the preset overrules the environment: %v", got)
	}
	if a, b := c.Spec.Queries[0].AllowedLateness, c.Spec.Queries[1].AllowedLateness; a != 5*time.Minute || b != time.Hour {
		t.Errorf("the preset made latenesses of %v and %v", a, b)
	}
	c = parseWith(t, kafkaConfig)
	if got := c.Spec.Watermark.MaxOutOfOrderness; got != 20*time.Second {
		t.Errorf("the preset allows %v of disorder", got)
	}
}

func TestKafkaAtLeastOnce(t *testing.T) {
	c := parseWith(t, kafkaConfig+"delivery: at_least_once\n")
	if _, ok := c.Spec.Sinks[0].Sink.(*kafka.Sink); ok {
		t.Error("rows that leave before their epoch is durable wait for a transaction")
	}
	if !c.Spec.Sinks[1].Sink.(*postgres.Sink).AtOnce {
		t.Error("postgres makes rows visible with their epoch")
	}
}

func TestPasswordFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("canary-7d1f\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(kafkaConfig, `password: "${KAFKA_PASSWORD}"`, "password_file: "+path, 1)
	src := parseWith(t, text).Spec.Source.(*kafka.Source)
	if got := src.Cluster.SASL.Password.Reveal(); got != "canary-7d1f" {
		t.Errorf("the password is %q", got)
	}
	_, err := Loader{Environ: kafkaEnv}.Parse("test.yaml", []byte(strings.Replace(text, path, path+".not", 1)))
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file of a password: %v", err)
	}
}
