package metrics

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Metric declares a metric. The table of them is the only declaration: what is
// served and docs/metrics.md are made from it.
type Metric struct {
	// Name is the whole name.
	Name string
	// Type is gauge, counter or histogram.
	Type string
	// Unit is seconds, bytes or records; empty for a plain number.
	Unit string
	// Help says what it is, in a sentence.
	Help string
	// Labels are the names of its labels.
	Labels []string

	// buckets are the bounds of a histogram.
	buckets []float64
	desc    *prometheus.Desc
}

// The types of metrics.
const (
	gauge     = "gauge"
	counter   = "counter"
	histogram = "histogram"
)

// The units that names end with, before _total.
const (
	inSeconds = "seconds"
	inBytes   = "bytes"
	inRecords = "records"
	plain     = ""
)

var (
	// brief are the bounds for what takes from half a millisecond to a minute.
	brief = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	// lengthy are those for what may wait for late partitions and dead sinks.
	lengthy = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600}
)

// all is filled by the declarations below, in their order.
var all []*Metric

func declare(name, kind, unit, help string, labels ...string) *Metric {
	m := &Metric{Name: name, Type: kind, Unit: unit, Help: help, Labels: labels, desc: prometheus.NewDesc(name, help, labels, nil)}
	all = append(all, m)
	return m
}

func declareHistogram(name string, buckets []float64, help string, labels ...string) *Metric {
	m := declare(name, histogram, inSeconds, help, labels...)
	m.buckets = buckets
	return m
}

// Table lists all metrics by their names.
func Table() []*Metric {
	return slices.SortedFunc(slices.Values(all), func(a, b *Metric) int { return cmp.Compare(a.Name, b.Name) })
}

// What comes in.
var (
	buildInfo = declare("processor_build_info", gauge, plain,
		"1, with the version of processor and of Go as labels.", "version", "go_version")
	eventsDecoded = declare("processor_events_decoded_total", counter, plain,
		"Records that were decoded into events, in this run.")
	recordsRead = declare("processor_records_read_total", counter, plain,
		"Records that were read, in this run: the decoded ones and those that could not be.")
	deadLetters = declare("processor_dead_letters_total", counter, plain,
		"Dead letters of this run by reason.", "reason")
	queryEvents = declare("processor_query_events_total", counter, plain,
		"Records that a query read, by what became of them (in_windows, late, dead, filtered, unwindowed, duplicate), in this run.", "query", "outcome")
	queryOverflow = declare("processor_query_overflow_total", counter, plain,
		"Events that joined a window under the overflow key because of a limit, in this run; a part of in_windows.", "query")
	results = declare("processor_results_total", counter, plain,
		"Rows of a query by timing (on_time, early, late, retract), in this run.", "query", "timing")
)

// How long it takes.
var (
	processingLatency = declareHistogram("processor_processing_latency_seconds", brief,
		"From when the source has handed a batch over until its events are combined; one observation a batch.")
	resultLatency = declareHistogram("processor_result_latency_seconds", brief,
		"From when rows were made until a sink has taken them; one observation a batch.", "sink")
	endToEndLatency = declareHistogram("processor_end_to_end_latency_seconds", lengthy,
		"From the end of a window, by event time, until a sink has taken its on-time row; one observation a batch, of its newest window.", "sink")
	sinkWrite = declareHistogram("processor_sink_write_seconds", brief,
		"What a sink takes for a batch of rows.", "sink")
)

// How far time has come.
var (
	watermarkTime = declare("processor_watermark_timestamp_seconds", gauge, inSeconds,
		"The combined watermark; absent while there is none.")
	watermarkLag = declare("processor_watermark_lag_seconds", gauge, inSeconds,
		"How far the combined watermark is behind the wall clock.")
	watermarkStalled = declare("processor_watermark_stalled_seconds", gauge, inSeconds,
		"For how long the combined watermark has not moved.")
	partitionLag = declare("processor_partition_watermark_lag_seconds", gauge, inSeconds,
		"How far the watermark of a partition is behind the wall clock.", "partition")
	consumerLagRecords = declare("processor_consumer_lag_records", gauge, inRecords,
		"Records of a partition that are not read yet; absent while the source does not know.", "partition")
	consumerLagSeconds = declare("processor_consumer_lag_seconds", gauge, inSeconds,
		"How far reading is behind what was written to a partition; absent while the source does not know.", "partition")
	partitions = declare("processor_partitions", gauge, plain,
		"Partitions by status: waiting, active, idle, ahead (paused by max_drift), ended.", "status")
)

// What is held.
var (
	openWindows = declare("processor_open_windows", gauge, plain,
		"Windows of one key each that are not past their lateness.", "query")
	liveKeys = declare("processor_live_keys", gauge, plain,
		"Keys of the fullest window; of sessions, all keys.", "query")
	stateMemory = declare("processor_state_memory_bytes", gauge, inBytes,
		"About the memory of a query's windows.", "query")
	stateStore = declare("processor_state_store_bytes", gauge, inBytes,
		"What the durable state takes in its store, without checkpoints: on the disk, or about the memory of its Redis server; absent where it is not known.")
	epoch = declare("processor_epoch", gauge, plain,
		"The number of the last durable epoch.")
	epochDuration = declareHistogram("processor_epoch_duration_seconds", brief,
		"From the barrier of an epoch until it is durable.")
	epochStall = declareHistogram("processor_epoch_stall_seconds", brief,
		"The longest that an epoch has stopped a shard.")
	epochBytes = declare("processor_epoch_bytes_total", counter, inBytes,
		"What epochs have written, in this run.")
	epochAge = declare("processor_epoch_age_seconds", gauge, inSeconds,
		"How long ago the last durable epoch was cut.")
	checkpoints = declare("processor_checkpoints_total", counter, plain,
		"Checkpoints of this run by result: ok, failed.", "result")
	checkpointAge = declare("processor_checkpoint_age_seconds", gauge, inSeconds,
		"How old the newest checkpoint of this run is; absent before there is one.")
	recovery = declare("processor_recovery_seconds", gauge, inSeconds,
		"What loading the state took when the run began.")
	outbox = declare("processor_outbox_bytes", gauge, inBytes,
		"Rows that are durable and that some sink does not hold yet.")
	outboxLimit = declare("processor_outbox_limit_bytes", gauge, inBytes,
		"How large the outbox may become before the source waits (limits.outbox); absent where there is no bound.")
)

// What goes out, and what hinders.
var (
	sinkRows = declare("processor_sink_rows_total", counter, plain,
		"Rows that a sink has taken, in this run.", "sink")
	sinkRetries = declare("processor_sink_retries_total", counter, plain,
		"Attempts of a sink beyond the first.", "sink")
	sinkRejected = declare("processor_sink_rejected_total", counter, plain,
		"What a sink's server has refused for good of requests that it took otherwise, in this run: points of an otlp sink.", "sink")
	sinkUp = declare("processor_sink_up", gauge, plain,
		"1 while a sink takes rows, 0 while its server does not answer or refuses.", "sink")
	sinkBehind = declare("processor_sink_behind_epochs", gauge, plain,
		"Epochs with rows that a sink does not hold yet.", "sink")
	sourceUp = declare("processor_source_up", gauge, plain,
		"1 while the source's servers answer and give what they have.")
	backpressure = declare("processor_backpressure_seconds_total", counter, inSeconds,
		"For how long reading has waited, all partitions together, for workers, for alignment (max_drift) and for the outbox.", "at")
	errorsSeen = declare("processor_errors_total", counter, plain,
		"Errors by kind: decode (records), sink (attempts that failed), checkpoint (that failed), source (outages, as far as a scrape has seen them).", "kind")
)

// The process.
var (
	memoryLimit = declare("processor_memory_limit_bytes", gauge, inBytes,
		"The memory that the process may use: the least of GOMEMLIMIT, the limits of its control groups and what the machine has.")
	memoryUsed = declare("processor_memory_used_bytes", gauge, inBytes,
		"The memory that the process holds: its resident set, or where that is not known what Go has from the system.")
	cpuCores = declare("processor_cpu_cores", gauge, plain,
		"The CPUs that the process may use at once (GOMAXPROCS).")
	paused = declare("processor_paused", gauge, plain,
		"1 while reading is paused by command.")
	ready = declare("processor_ready", gauge, plain,
		"1 while /readyz says yes.")
)
