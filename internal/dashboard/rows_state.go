package dashboard

import "github.com/grafana/grafana-foundation-sdk/go/units"

func windows() row {
	return row{"Windows", []panel{
		{
			title: "Open windows", unit: units.Short, width: 8,
			what:  "Windows of one key each that are kept, by query. It grows without end: a key with unbounded values, or a watermark that stands still.",
			lines: []line{{"sum by (query) (processor_open_windows{@})", "{{query}}"}},
		},
		{
			title: "Live keys", unit: units.Short, width: 8,
			what:  "Keys of the fullest window, by query. More than expected: see which with /api/v1/queries/QUERY/keys, then set limits.keys.",
			lines: []line{{"sum by (query) (processor_live_keys{@})", "{{query}}"}},
		},
		{
			title: "State in memory", unit: units.BytesIEC, width: 8,
			what:  "About what the open windows take in memory, by query. `processor explain` shows what one key costs.",
			lines: []line{{"sum by (query) (processor_state_memory_bytes{@})", "{{query}}"}},
		},
	}}
}

func epochs() row {
	return row{"State and epochs", []panel{
		{
			title: "Duration of an epoch", unit: units.Seconds, width: 8,
			what:  "From the barrier of an epoch until it is durable. High: the disk syncs slowly, or more changes in an epoch than the store can take.",
			lines: percentiles("processor_epoch_duration_seconds", ""),
		},
		{
			title: "Stall", unit: units.Seconds, width: 8,
			what:  "The longest that an epoch stopped a shard. Beyond some 10 ms it shows in the latency: many windows change between two flushes.",
			lines: percentiles("processor_epoch_stall_seconds", ""),
		},
		{
			title: "Age of the last epoch", unit: units.Seconds, width: 8,
			what: "A crash now would read that much again. About state.epoch while events come; with nothing to record it grows, and that is well. " +
				"It climbs while events come: commits hang; see the log and the disk.",
			lines: []line{{"processor_epoch_age_seconds{@}", "{{instance}}"}},
		},
		{
			title: "Outbox", unit: units.BytesIEC, width: 8,
			what: "Rows that the slowest sink does not hold yet, and the limit at which reading waits. It fills: a sink is down or too slow.",
			lines: []line{
				{"processor_outbox_bytes{@}", "{{instance}}"},
				{"processor_outbox_limit_bytes{@}", "{{instance}} limit"},
			},
		},
		{
			title: "State store", unit: units.BytesIEC, width: 8,
			what:  "What the state takes on the disk or the server. It follows the open windows and the outbox, and shrinks after them with a delay.",
			lines: []line{{"processor_state_store_bytes{@} >= 0", "{{instance}}"}},
		},
		{
			title: "Written by epochs", unit: units.BytesPerSecondSI, width: 8,
			what:  "Bytes that epochs write a second, before the store compacts them.",
			lines: []line{{"sum by (instance) (rate(processor_epoch_bytes_total{@}[$__rate_interval]))", "{{instance}}"}},
		},
		{
			title: "Checkpoints", unit: units.Short, width: 8,
			what:  "Checkpoints made and failed in the last hour. A failed one is an alert: the log says why.",
			lines: []line{{"sum by (result) (increase(processor_checkpoints_total{@}[1h]))", "{{result}}"}},
		},
		{
			title: "Age of the last checkpoint", unit: units.Seconds, width: 8,
			what:  "How far a restore would go back. A saw tooth with the height of state.checkpoint.every is right.",
			lines: []line{{"processor_checkpoint_age_seconds{@}", "{{instance}}"}},
		},
		{
			title: "Recovery", unit: units.Seconds, stat: true, tall: true, width: 4,
			what:  "How long the last start took to load the state, of the slowest instance.",
			lines: []line{{"max(processor_recovery_seconds{@})", ""}},
		},
		{
			title: "Number of the epoch", unit: units.NoUnit, stat: true, tall: true, width: 4,
			what:  "The number of the last epoch, of the instance that has the most. It only grows, but for a restored or fresh state.",
			lines: []line{{"max(processor_epoch{@})", ""}},
		},
	}}
}
