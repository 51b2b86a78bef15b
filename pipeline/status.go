package pipeline

import (
	"encoding/json"
	"time"
)

// Phase is where a pipeline is in its life.
type Phase string

// The phases, in their order; Running and Paused take turns.
const (
	// Starting pipelines recover their state and open source and sinks.
	Starting Phase = "starting"
	// Running pipelines read.
	Running Phase = "running"
	// Paused pipelines were told to read no more for now.
	Paused Phase = "paused"
	// Draining pipelines have had their signal: they deliver what was read.
	Draining Phase = "draining"
	// Ended pipelines do nothing any more.
	Ended Phase = "ended"
)

// Status is a snapshot of a pipeline, for people and programs that watch it.
// Counters are of this run, but for ledgers, which are of the whole life of the
// state. Times that are not known are nil.
type Status struct {
	Name  string    `json:"name"`
	Phase Phase     `json:"phase"`
	Now   time.Time `json:"now"`
	// Started is when Run was called.
	Started time.Time `json:"started"`
	// Watermark is the combined one, WatermarkSince when it moved last, or reading
	// began, and HeldBy the partition whose own watermark it is; empty while none counts.
	Watermark      *time.Time `json:"watermark"`
	WatermarkSince *time.Time `json:"watermark_since"`
	HeldBy         string     `json:"held_by"`
	// Events is how many records were decoded, Dead how many were not, Refused
	// how many of the decoded some query refused for a wrong type.
	Events  int64 `json:"events"`
	Dead    int64 `json:"dead"`
	Refused int64 `json:"refused"`
	// DeadByReason counts dead letters by their reason: a short fixed list, those
	// that did not occur too.
	DeadByReason map[string]int64 `json:"dead_by_reason"`
	// Waited is for how many seconds reading has waited, by what for:
	// "workers" (decoding and combining), "alignment" (max_drift), "outbox"
	// (a sink that is behind). The seconds of all partitions add up.
	Waited     map[string]float64 `json:"waited_seconds"`
	Queries    []QueryStatus      `json:"queries"`
	Partitions []PartitionStatus  `json:"partitions"`
	// Source says whether the source's servers answer.
	Source TroubleStatus `json:"source"`
	Sinks  []SinkStatus  `json:"sinks"`
	// State is nil with state in memory.
	State *StateStatus `json:"state"`
}

// QueryStatus is a query: its shape and its counters.
type QueryStatus struct {
	Ledger Ledger `json:"ledger"`
	// Run is Ledger without what was counted before this run.
	Run  Ledger `json:"-"`
	Name string `json:"name"`
	// Window is the window as in the config: "tumbling 1m".
	Window string `json:"window"`
	// Keys and Values are the names of the key's fields and of the aggregates,
	// in the order of the query; Functions are those of Values: "p95(latency_ms)".
	Keys      []string `json:"keys"`
	Values    []string `json:"values"`
	Functions []string `json:"functions"`
	// Results counts rows of this run by timing.
	Results map[string]int64 `json:"results"`
	// OpenWindows counts windows of one key each, LiveKeys the keys of the
	// fullest window (of sessions: all keys), StateBytes about their memory.
	OpenWindows int64 `json:"open_windows"`
	LiveKeys    int64 `json:"live_keys"`
	StateBytes  int64 `json:"state_bytes"`
}

// PartitionStatus is how far a partition of the source has got.
type PartitionStatus struct {
	// Name is the topic and number ("feedback-events/3"), the path, or the
	// kind of the source.
	Name      string `json:"name"`
	Topic     string `json:"topic,omitempty"`
	Path      string `json:"path,omitempty"`
	Partition int32  `json:"partition"`
	// Status is waiting (not opened yet), active, idle, ended, or ahead (it
	// pauses, as it is more than max_drift ahead of the slowest).
	Status    string     `json:"status"`
	Watermark *time.Time `json:"watermark"`
	// NewestEvent is the greatest event time read, LastRead the wall clock when
	// events came last.
	NewestEvent *time.Time `json:"newest_event"`
	LastRead    *time.Time `json:"last_read"`
	// Position is the offset that is read next.
	Position int64 `json:"position"`
	Events   int64 `json:"events"`
	// LagRecords and LagSeconds say how far the reader is behind; nil where the
	// source does not know.
	LagRecords *int64   `json:"lag_records"`
	LagSeconds *float64 `json:"lag_seconds"`
	// Holds says that the combined watermark is this partition's.
	Holds bool `json:"holds"`
}

// TroubleStatus is a connection that does not work, if Since is not nil.
type TroubleStatus struct {
	Since *time.Time `json:"since"`
	Error string     `json:"error,omitempty"`
}

// SinkStatus is how far a sink has got.
type SinkStatus struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Takes says what it is given, of "results", "late_events" and
	// "dead_letters", Queries whose results; empty without results.
	Takes   []string `json:"takes"`
	Queries []string `json:"queries"`
	// Rows counts rows that the sink took, of this run.
	Rows int64 `json:"rows"`
	// Epoch is the last epoch the sink holds, Behind how many epochs with rows
	// wait for it; 0 with state in memory. Queued counts batches that wait in
	// memory.
	Epoch  uint64 `json:"epoch"`
	Behind int    `json:"behind_epochs"`
	Queued int    `json:"queued_batches"`
	// Retries counts attempts beyond the first, Trouble says that the sink does
	// not take rows at present.
	Retries int64         `json:"retries"`
	Trouble TroubleStatus `json:"trouble"`
	// Rejected counts what the other side has refused for good of requests that
	// it took otherwise: points of an otlp sink.
	Rejected int64 `json:"rejected"`
	// Failed says that the sink has refused rows for good: the run ends.
	Failed bool `json:"failed"`
}

// StateStatus is the durable state.
type StateStatus struct {
	// Store names the place, Epoch the last epoch, EpochTime when it was cut.
	Store     string    `json:"store"`
	Epoch     uint64    `json:"epoch"`
	EpochTime time.Time `json:"epoch_time"`
	// The last epoch's cost: from the barrier to durable, the longest that it
	// stopped a shard, changes written and bytes.
	EpochSeconds float64 `json:"epoch_seconds"`
	StallSeconds float64 `json:"stall_seconds"`
	EpochChanges int64   `json:"epoch_changes"`
	EpochBytes   int64   `json:"epoch_bytes"`
	// OutboxBytes wait for the slowest sink, of at most OutboxLimit (0: any).
	OutboxBytes int64 `json:"outbox_bytes"`
	OutboxLimit int64 `json:"outbox_limit"`
	// StoreBytes is what the store takes; -1 where the backend does not know.
	StoreBytes int64 `json:"store_bytes"`
	// Checkpoint is the newest one's name, CheckpointTime when it was made in
	// this run, and how many of this run were made and failed.
	Checkpoint         string     `json:"checkpoint,omitempty"`
	CheckpointTime     *time.Time `json:"checkpoint_time"`
	Checkpoints        int64      `json:"checkpoints"`
	CheckpointFailures int64      `json:"checkpoint_failures"`
	// Recovered is the epoch that the run began with, 0 for none, and
	// RecoverySeconds what loading it took.
	Recovered       uint64  `json:"recovered"`
	RecoverySeconds float64 `json:"recovery_seconds"`
}

// OpenWindow is a window of one key that is not past its lateness, as it is now.
type OpenWindow struct {
	Query string `json:"query"`
	// Start and End are nil for a global window.
	Start *time.Time `json:"window_start"`
	End   *time.Time `json:"window_end"`
	// Key and Values are JSON objects in the order of the query, as in a result.
	Key    json.RawMessage `json:"key"`
	Values json.RawMessage `json:"values"`
	Events int64           `json:"events"`
	// Fired is how often it has fired.
	Fired int64 `json:"fired"`
	// Closed says that the watermark has passed its end: it is kept for late
	// events.
	Closed bool `json:"closed"`
}

// OpenGroup is the windows of all keys of a query with the same bounds; of
// sessions each is one. It says why it is open.
type OpenGroup struct {
	Query string     `json:"query"`
	Start *time.Time `json:"window_start"`
	End   *time.Time `json:"window_end"`
	Keys  int64      `json:"keys"`
	// Events counts those in it; of a sliding window, which shares panes, 0.
	Events int64 `json:"events"`
	Closed bool  `json:"closed"`
	// ClosesAt is the watermark at which it fires, or when it has, at which it
	// is forgotten; nil for never. Missing is how far the watermark is from it
	// in seconds, -1 while there is no watermark.
	ClosesAt *time.Time `json:"closes_at_watermark"`
	Missing  float64    `json:"missing_seconds"`
}

// Why says why windows are open: what they wait for, and what holds that back.
type Why struct {
	Now            time.Time  `json:"now"`
	Watermark      *time.Time `json:"watermark"`
	WatermarkSince *time.Time `json:"watermark_since"`
	// Holder is the partition whose watermark is the combined one; nil when
	// none counts.
	Holder *PartitionStatus `json:"holder"`
	// Bound is max_out_of_orderness in seconds: the holder has to deliver an
	// event that far beyond a window's end.
	Bound float64 `json:"max_out_of_orderness_seconds"`
	// Reason is the answer in a sentence.
	Reason string `json:"reason"`
	// Windows are the open ones, those that close next first, at most as many
	// as were asked for; Total is how many there are.
	Windows []OpenGroup `json:"windows"`
	Total   int         `json:"total"`
	// Unseen says why the windows could not be looked at; empty if they were.
	Unseen string `json:"unseen,omitempty"`
}
