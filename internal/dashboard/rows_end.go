package dashboard

import "github.com/grafana/grafana-foundation-sdk/go/units"

func sinks() row {
	return row{"Sinks", []panel{
		{
			title: "Rows", unit: units.RowsPerSecond, width: 6,
			what:  "Rows that each sink took a second. Sinks of the same queries should agree, but for a while after one was down.",
			lines: []line{{"sum by (sink) (rate(processor_sink_rows_total{@}[$__rate_interval]))", "{{sink}}"}},
		},
		{
			title: "Retries and refusals", unit: units.CountsPerSecond, width: 6,
			what: "Attempts beyond the first a second. Now and then is fine; all the time: the server behind the sink refuses or times out; the log says what it answers. " +
				"Refused: points that a server of OpenTelemetry has not taken with the rest of a request. They are not sent again; the log says why.",
			lines: []line{
				{"sum by (sink) (rate(processor_sink_retries_total{@}[$__rate_interval]))", "{{sink}}"},
				{"sum by (sink) (rate(processor_sink_rejected_total{@}[$__rate_interval]))", "{{sink}} refused"},
			},
		},
		{
			title: "Up", unit: units.BoolOnOff, width: 6,
			what:  "On while a sink takes rows. Off: it is in trouble, its rows wait in the outbox, and nothing is lost until that is full.",
			lines: []line{{"min by (sink) (processor_sink_up{@})", "{{sink}}"}},
		},
		{
			title: "Epochs behind", unit: units.Short, width: 6,
			what:  "Epochs with rows that wait for a sink. It should come back to 0 soon; where it does not the sink is slower than its results.",
			lines: []line{{"max by (sink) (processor_sink_behind_epochs{@})", "{{sink}}"}},
		},
	}}
}

func backpressure() row {
	return row{"Backpressure", []panel{
		{
			title: "Reading waits", unit: units.Short, width: 24, stacked: true,
			what: "Seconds that reading waits, each second, the partitions together. workers: decoding and combining are the bottleneck, raise workers or CPUs; " +
				"alignment: a partition is more than max_drift ahead of the slowest; outbox: a sink is behind and limits.outbox is reached.",
			lines: []line{{"sum by (at) (rate(processor_backpressure_seconds_total{@}[$__rate_interval]))", "{{at}}"}},
		},
	}}
}

func failures() row {
	return row{"Errors and dead letters", []panel{
		{
			title: "Dead letters", unit: units.RecordsPerSecond, width: 8, stacked: true,
			what:  "Records that were no events, by reason. GET /api/v1/dead shows the last ones, with their positions.",
			lines: []line{{"sum by (reason) (rate(processor_dead_letters_total{@}[$__rate_interval]))", "{{reason}}"}},
		},
		{
			title: "Share of dead letters", unit: units.PercentUnit, width: 8,
			what: "Dead letters of all records. A step at a certain time: a producer has changed its format.",
			lines: []line{{
				"sum by (instance) (rate(processor_dead_letters_total{@}[$__rate_interval])) / sum by (instance) (rate(processor_records_read_total{@}[$__rate_interval]))",
				"{{instance}}",
			}},
		},
		{
			title: "Errors", unit: units.CountsPerSecond, width: 8,
			what:  "Errors a second by where: decode, source, sink, checkpoint. The log has each with its text.",
			lines: []line{{"sum by (kind) (rate(processor_errors_total{@}[$__rate_interval]))", "{{kind}}"}},
		},
	}}
}

func process() row {
	return row{"Process", []panel{
		{
			title: "Memory", unit: units.BytesIEC, width: 8,
			what: "What the process takes, of it the heap in use, and what it may take. Near the limit: fewer keys, shorter windows, or limits.memory, before the system ends the process.",
			lines: []line{
				{"processor_memory_used_bytes{@}", "{{instance}}"},
				{"processor_memory_limit_bytes{@} > 0", "{{instance}} limit"},
				{"go_memstats_heap_inuse_bytes{@}", "{{instance}} heap"},
			},
		},
		{
			title: "CPU", unit: units.Short, width: 8,
			what: "CPUs in use, and how many there are. All in use and a lag that grows: more CPUs, or fewer percentiles and keys.",
			lines: []line{
				{"rate(process_cpu_seconds_total{@}[$__rate_interval])", "{{instance}}"},
				{"processor_cpu_cores{@}", "{{instance}} cores"},
			},
		},
		{
			title: "Goroutines", unit: units.Short, width: 8,
			what:  "Goroutines. Their number follows partitions, workers and sinks, not events: one that only grows is a leak; report it.",
			lines: []line{{"go_goroutines{@}", "{{instance}}"}},
		},
		{
			title: "Garbage collection", unit: units.PercentUnit, width: 8,
			what:  "Share of the time that collections stop the process. Beyond 1 %: the memory limit is too tight for the state.",
			lines: []line{{"rate(go_gc_duration_seconds_sum{@}[$__rate_interval])", "{{instance}}"}},
		},
		{
			title: "Longest pause", unit: units.Seconds, width: 8,
			what:  "The longest of the last pauses for garbage collection. It adds to the latency.",
			lines: []line{{`go_gc_duration_seconds{@,quantile=~"1|1[.]0"}`, "{{instance}}"}},
		},
		{
			title: "Open files", unit: units.Short, width: 8,
			what: "Open files and connections, and how many are allowed. Near the limit writes and connections fail: raise it (ulimit -n).",
			lines: []line{
				{"process_open_fds{@}", "{{instance}}"},
				{"process_max_fds{@}", "{{instance}} limit"},
			},
		},
	}}
}
