package dashboard

import "github.com/grafana/grafana-foundation-sdk/go/units"

// rows are the dashboard, from what is asked first to what is asked last.
func rows() []row {
	return []row{
		overview(), throughput(), latency(), eventTime(), windows(), epochs(),
		sinks(), backpressure(), failures(), process(),
	}
}

func overview() row {
	return row{"Overview", []panel{
		{
			title: "Events", unit: units.EventsPerSecond, stat: true, width: 4,
			what:  "Events decoded a second. None, though some are published: see Source, then Consumer lag.",
			lines: []line{{"sum(rate(processor_events_decoded_total{@}[$__rate_interval]))", ""}},
		},
		{
			title: "Results", unit: units.RowsPerSecond, stat: true, width: 4,
			what:  "Rows that left a second. They come in bursts, when windows end. None for longer than a window: the watermark waits; `processor why` says for what.",
			lines: []line{{"sum(rate(processor_results_total{@}[$__rate_interval]))", ""}},
		},
		{
			title: "Watermark lag", unit: units.Seconds, stat: true, width: 4,
			limits: []limit{{60, watch}, {300, bad}},
			what:   "How far the combined watermark is behind the clock, of the worst instance. At least max_out_of_orderness; when it grows, a partition is slow or quiet.",
			lines:  []line{{"max(processor_watermark_lag_seconds{@})", ""}},
		},
		{
			title: "Consumer lag", unit: units.Short, stat: true, width: 4,
			limits: []limit{{1_000, watch}, {10_000, bad}},
			what:   "Records that are published and not read, of all partitions. When it grows, reading is slower than writing: see Backpressure. Empty where the source does not know.",
			lines:  []line{{"sum(processor_consumer_lag_records{@})", ""}},
		},
		{
			title: "Ready", unit: units.NoUnit, stat: true, width: 2,
			states: []state{{"1", "ready", good}, {"0", "not ready", bad}},
			what:   "Whether all instances are ready. If one is not, /readyz?verbose of it says why.",
			lines:  []line{{"min(processor_ready{@})", ""}},
		},
		{
			title: "Paused", unit: units.NoUnit, stat: true, width: 2,
			states: []state{{"0", "running", good}, {"1", "paused", watch}},
			what:   "Whether some instance was told to read no more. POST /api/v1/resume lets it go on.",
			lines:  []line{{"max(processor_paused{@})", ""}},
		},
		{
			title: "Source", unit: units.NoUnit, stat: true, width: 2,
			states: []state{{"1", "up", good}, {"0", "down", bad}},
			what:   "Whether the servers of every source answer. If not, the log and /api/v1/status name the error.",
			lines:  []line{{"min(processor_source_up{@})", ""}},
		},
		{
			title: "Versions", unit: units.NoUnit, stat: true, width: 2,
			what:  "How many versions of the program run. More than one for long: a rollout is stuck.",
			lines: []line{{"count(count by (version) (processor_build_info{@}))", ""}},
		},
	}}
}

func throughput() row {
	return row{"Throughput and ledger", []panel{
		{
			title: "Records", unit: units.RecordsPerSecond, width: 8,
			what: "Records read a second, and what became of them: events or dead letters.",
			lines: []line{
				{"sum(rate(processor_records_read_total{@}[$__rate_interval]))", "read"},
				{"sum(rate(processor_events_decoded_total{@}[$__rate_interval]))", "decoded"},
				{"sum(rate(processor_dead_letters_total{@}[$__rate_interval]))", "dead"},
			},
		},
		{
			title: "Ledger", unit: units.EventsPerSecond, width: 8, stacked: true,
			what: "What became of every event, by query: in windows, late, dead, filtered, in no window, a duplicate. They add up to what was read. " +
				"Late grows: more disorder than max_out_of_orderness and allowed_lateness allow. Everything filtered: look at the query's where.",
			lines: []line{{"sum by (query, outcome) (rate(processor_query_events_total{@}[$__rate_interval]))", "{{query}} {{outcome}}"}},
		},
		{
			title: "Results by query", unit: units.RowsPerSecond, width: 8,
			what:  "Rows a second by query and timing. Many late ones are corrections: consumers must take the last of a window.",
			lines: []line{{"sum by (query, timing) (rate(processor_results_total{@}[$__rate_interval]))", "{{query}} {{timing}}"}},
		},
		{
			title: "Overflow", unit: units.EventsPerSecond, width: 12,
			what:  "Events counted under __overflow__ because limits were reached. Not zero: a key has more values than expected; raise limits, or leave the field out of the key.",
			lines: []line{{"sum by (query) (rate(processor_query_overflow_total{@}[$__rate_interval]))", "{{query}}"}},
		},
		{
			title: "Late events", unit: units.PercentUnit, width: 12,
			what: "Share of the events that were too late for all of their windows. They are in the side output, with by how much.",
			lines: []line{{
				`sum by (query) (rate(processor_query_events_total{@,outcome="late"}[$__rate_interval])) / sum by (query) (rate(processor_query_events_total{@}[$__rate_interval]))`,
				"{{query}}",
			}},
		},
	}}
}

func latency() row {
	return row{"Latency", []panel{
		{
			title: "Processing", unit: units.Seconds, width: 12,
			what:  "From when the source handed a batch over until it was combined. High: the workers have more than they can do, or wait for the outbox; see Backpressure and CPU.",
			lines: percentiles("processor_processing_latency_seconds", ""),
		},
		{
			title: "Firing to sink", unit: units.Seconds, width: 12,
			what:  "From when a window fired until the sink had taken its rows. With exactly_once it includes the epoch that makes them durable. High for one sink: that sink; for all: epochs.",
			lines: percentiles("processor_result_latency_seconds", "sink"),
		},
		{
			title: "End of window to sink", unit: units.Seconds, width: 12,
			what:  "From the end of a window, by event time, until the sink had taken its row: what a reader of results feels. At least max_out_of_orderness; what is beyond is lag of the input or a slow sink. In a backfill it says nothing.",
			lines: percentiles("processor_end_to_end_latency_seconds", "sink"),
		},
		{
			title: "Write of a batch", unit: units.Seconds, width: 12,
			what:  "How long a sink takes for a batch of rows. It grows: look at the server behind the sink.",
			lines: percentiles("processor_sink_write_seconds", "sink"),
		},
	}}
}

func eventTime() row {
	return row{"Watermark and partitions", []panel{
		{
			title: "Watermark lag", unit: units.Seconds, width: 8,
			what:  "How far the combined watermark is behind the clock. Flat is good. A line that climbs by a second a second stands still.",
			lines: []line{{"processor_watermark_lag_seconds{@}", "{{instance}}"}},
		},
		{
			title: "Watermark standing still", unit: units.Seconds, width: 8,
			what:  "Since when the combined watermark has not moved. A saw tooth is normal for a quiet stream. While it climbs no window fires: `processor why` names the partition that holds it.",
			lines: []line{{"processor_watermark_stalled_seconds{@}", "{{instance}}"}},
		},
		{
			title: "Watermark", unit: units.DatetimeISO, width: 8,
			what:  "How far event time has come. In a backfill it runs faster than the clock.",
			lines: []line{{"processor_watermark_timestamp_seconds{@} * 1000", "{{instance}}"}},
		},
		{
			title: "Watermark lag by partition", unit: units.Seconds, width: 8,
			what:  "The lag of each partition's own watermark. One far above the others holds all windows back: its producer is slow or quiet, or its clock is wrong.",
			lines: []line{{"max by (partition) (processor_partition_watermark_lag_seconds{@})", "{{partition}}"}},
		},
		{
			title: "Consumer lag by partition", unit: units.Short, width: 8,
			what:  "Records not read yet. One partition alone: its keys are hot, or it is read in turn with others; all: reading is too slow.",
			lines: []line{{"sum by (partition) (processor_consumer_lag_records{@})", "{{partition}}"}},
		},
		{
			title: "Consumer lag in time", unit: units.Seconds, width: 8,
			what:  "How old the newest record read is, beside the newest there is. Seconds say more than records when rates change.",
			lines: []line{{"max by (partition) (processor_consumer_lag_seconds{@})", "{{partition}}"}},
		},
		{
			title: "Partitions", unit: units.Short, width: 24, stacked: true,
			what:  "Partitions by status. waiting: not opened yet; idle: quiet, does not hold the watermark; ahead: pauses, more than max_drift before the slowest; ended: read to its end.",
			lines: []line{{"sum by (status) (processor_partitions{@})", "{{status}}"}},
		},
	}}
}
