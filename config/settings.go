package config

import (
	"math"
	"slices"
)

const (
	maxDuration = math.MaxInt64
	century     = 36500 * 24 * 3600 * 1e9
	first       = "0.1.0"
)

// settings is the whole config, in the order of the reference.
var settings = slices.Concat(
	sourceSettings,
	kafkaSource,
	streamSettings,
	querySettings,
	sinkSettings,
	sinkKinds("sinks.*", "results"),
	sideOutput("late_events", "late", "A sink for events that came after all of their windows were past the allowed lateness."),
	sideOutput("dead_letters", "dead", "A sink for records that are no valid events, with the reason."),
	stateSettings,
	serverSettings,
	processSettings,
	telemetrySettings,
)

// sourceSettings say what is read.
var sourceSettings = []setting{
	{Path: "name", Kind: text, Required: true, Since: first, Example: "llm-health",
		Pattern: `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, PatternDoc: "up to 63 of a-z, 0-9 and -, not beginning or ending with -",
		Doc: "Names the pipeline. It enters the ids of all results, so changing it changes them; a durable state belongs to one name."},
	{Path: "preset", Kind: choice, Note: "none", Values: []string{"collector"}, Since: first, Example: "collector",
		Doc: "Other defaults, for a known producer. collector: event.format auto, event.time {field: timestamp, format: rfc3339}, event.dedup {id: id, horizon: 1h}, watermark.max_out_of_orderness 20s and an allowed_lateness of 5m for every query."},
	{Path: "workers", Kind: integer, Default: "0", Min: 0, Max: 1024, Since: first, Example: "2",
		Doc: "How many goroutines decode and combine. 0: one for each CPU the process may use (GOMAXPROCS)."},

	{Path: "source", Kind: section, Required: true, OneOf: true, Since: first, Example: `{file: {path: "data/*.jsonl"}}`,
		Doc: "Where events come from: exactly one kind."},
	{Path: "source.file", Kind: section, Since: first, Example: `{path: "data/*.jsonl"}`,
		Doc: "Lines of files. Each file is a partition; they are opened in lexical order."},
	{Path: "source.file.path", Kind: text, Required: true, Since: first, Example: `"data/*.jsonl"`, Pattern: `.`, PatternDoc: "some text",
		Doc: "A file or a glob pattern. Names that end in .gz or .zst are decompressed; a file of that kind that is followed is read once and has to be whole when it appears."},
	{Path: "source.file.follow", Kind: boolean, Default: "false", Since: first, Example: "true",
		Doc: "Wait for more lines and more files at the end instead of stopping."},
	{Path: "source.file.open", Kind: integer, Default: "64", Min: 1, Max: 65536, Since: first, Example: "16",
		Doc: "At most this many files are open at once. One that waits for its turn counts in the watermark with its first timestamp."},
	{Path: "source.stdin", Kind: section, Since: first, Example: "{}",
		Doc: "Lines of standard input, one partition."},
	{Path: "source.generate", Kind: section, Since: first, Example: "{events_per_second: 3000}",
		Doc: "Synthetic LLM traffic, for trying things out."},
	{Path: "source.generate.events_per_second", Kind: integer, Default: "1000", Min: 0, Max: 100_000_000, Since: first, Example: "3000",
		Doc: "How fast, by the wall clock. 0: as fast as possible, with event times from a fixed start."},
	{Path: "source.generate.seed", Kind: integer, Default: "1", Min: 0, Max: math.MaxInt64, Since: first, Example: "42",
		Doc: "The same seed gives the same traffic."},
	{Path: "source.generate.events", Kind: integer, Default: "0", Min: 0, Max: math.MaxInt64, Since: first, Example: "100000",
		Doc: "Stop after this many events. 0: never."},
}

// streamSettings say how records become events, in time.
var streamSettings = []setting{
	{Path: "event", Kind: section, Required: true, Since: first, Example: "{time: {field: timestamp, format: rfc3339}}",
		Doc: "How records become events."},
	{Path: "event.format", Kind: choice, Default: "json", Values: []string{"json", "cloudevents", "auto"}, Since: first, Example: "auto",
		Doc: "The shape of a record. auto tells the Collector's shapes apart by their keys."},
	{Path: "event.time", Kind: section, Required: true, Since: first, Example: "{field: timestamp, format: rfc3339}",
		Doc: "Where an event has its time."},
	{Path: "event.time.field", Kind: field, Required: true, Since: first, Example: "timestamp",
		Doc: "The field with the time, a dotted path."},
	{Path: "event.time.format", Kind: choice, Required: true, Values: []string{"rfc3339", "unix_s", "unix_ms", "unix_us", "unix_ns"}, Since: first, Example: "rfc3339",
		Doc: "How the time is written. Unix times are numbers, or strings that hold one, and may have fractions."},
	{Path: "event.fields", Kind: exprs, Default: "{}", Since: first, Example: "{tokens: input_tokens + output_tokens}",
		Doc: "Computed fields, name: expression. They are computed once per event and usable like any field, also in the fields after them."},
	{Path: "event.fields.<name>", Kind: expr, Since: first, Example: "input_tokens + output_tokens",
		Doc: "The expression of one computed field."},
	{Path: "event.dedup", Kind: section, Off: true, Note: "off", Since: first, Example: "{id: id, horizon: 1h}",
		Doc: "Leave out events that repeat an earlier one of the same partition. They are counted, and do nothing else. {} is off."},
	{Path: "event.dedup.id", Kind: expr, Required: true, Since: first, Example: "id",
		Doc: "The field or expression that repeated events have in common. An event without one is never a duplicate."},
	{Path: "event.dedup.horizon", Kind: duration, Default: "1h", Min: 1, Max: century, Since: first, Example: "10m",
		Doc: "For how long an id is remembered: until the watermark of its partition passes the event's time by that much. An event older than that is late for every query. Ids take about 80 bytes each."},
	{Path: "event.on_error", Kind: choice, Default: "dead_letter", Values: []string{"dead_letter", "skip", "fail"}, Since: first, Example: "fail",
		Doc: "What happens to a record that is no valid event: it goes to dead_letters, is only counted, or ends the pipeline."},
	{Path: "event.max_record_bytes", Kind: size, Default: "1MiB", Min: 1, Max: 1 << 30, Since: first, Example: "64KiB",
		Doc: "A longer record is bad."},
	{Path: "event.max_future", Kind: duration, Default: "1h", Min: 0, Max: maxDuration, Since: first, Example: "5m",
		Doc: "With a live source, an event farther ahead of the wall clock is bad: it must not drag the watermark. 0: no bound."},

	{Path: "watermark", Kind: section, Default: "{}", Since: first, Example: "{max_out_of_orderness: 10s}",
		Doc: "How event time advances."},
	{Path: "watermark.max_out_of_orderness", Kind: duration, Default: "5s", Min: 0, Max: century, Since: first, Example: "2s",
		Doc: "How far behind the newest event of its partition an event may be without being late. Results wait this long."},
	{Path: "watermark.emit", Kind: choice, Default: "periodic", Values: []string{"periodic", "every_event"}, Since: first, Example: "every_event",
		Doc: "When windows fire: at the ends of batches, or after each event. With one partition the latter makes every row a function of the input."},
	{Path: "watermark.interval", Kind: duration, Default: "5ms", Min: 1e5, Max: 3600e9, Since: first, Example: "50ms",
		Doc: "With emit: periodic, how often windows may fire and how long a batch waits to fill."},
	{Path: "watermark.idle_timeout", Kind: duration, Default: "30s", Min: 0, Max: maxDuration, Since: first, Example: "10s",
		Doc: "A partition with nothing to read for this long no longer holds the others back. 0: it always does."},
	{Path: "watermark.when_idle", Kind: choice, Default: "close", Note: "close for live sources, else hold", Values: []string{"close", "hold"}, Since: first, Example: "hold",
		Doc: "While all partitions are idle, move the watermark with the wall clock until the last window has closed, or hold it still."},
	{Path: "watermark.max_drift", Kind: duration, Default: "10m", Min: 0, Max: maxDuration, Since: first, Example: "1h",
		Doc: "A partition farther ahead of the slowest one pauses until that has caught up. 0: no bound."},
}

// processSettings are about the process as a whole.
var processSettings = []setting{
	{Path: "limits", Kind: section, Default: "{}", Since: first, Example: "{keys: 1000000}",
		Doc: "Bounds on the state, so that an explosion of keys cannot exhaust the memory."},
	{Path: "limits.keys", Kind: integer, Default: "0", Min: 0, Max: math.MaxInt32, Since: first, Example: "100000",
		Doc: "At most this many live keys a query. 0: no bound."},
	{Path: "limits.windows", Kind: integer, Default: "0", Min: 0, Max: math.MaxInt32, Since: first, Example: "1000000",
		Doc: "At most this many live windows a query, each counted for each of its keys. 0: no bound."},
	{Path: "limits.memory", Kind: size, Default: "0", Min: 0, Max: math.MaxInt64, Since: first, Example: "512MiB",
		Doc: "At most this many bytes of state, roughly. 0: no bound."},
	{Path: "limits.outbox", Kind: size, Default: "1GiB", Min: 0, Max: math.MaxInt64, Since: first, Example: "256MiB",
		Doc: "At most this many bytes of durable results wait for the slowest sink; then the source waits. 0: no bound."},
	{Path: "limits.on_exceed", Kind: choice, Default: "overflow", Values: []string{"overflow", "stop"}, Since: first, Example: "stop",
		Doc: "Count new keys in one group with __overflow__ in every key field, or end with an error."},

	{Path: "log", Kind: section, Default: "{}", Since: first, Example: "{level: debug, format: json}",
		Doc: "The log, on standard error."},
	{Path: "log.level", Kind: choice, Default: "info", Values: []string{"debug", "info", "warn", "error"}, Since: first, Example: "debug",
		Doc: "The least level that is logged."},
	{Path: "log.format", Kind: choice, Default: "text", Values: []string{"text", "json"}, Since: first, Example: "json",
		Doc: "Text for people, or one JSON object a line."},
	{Path: "shutdown_timeout", Kind: duration, Default: "30s", Min: 1, Max: maxDuration, Since: first, Example: "10s",
		Doc: "After a signal, how long to go on delivering what was read."},
}
