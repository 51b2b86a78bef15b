package epoch

import "time"

// Report is what a person wants to know of a store. Bytes are of keys and
// values as they are stored, before the backend compresses them.
type Report struct {
	// Empty: there is nothing in the store.
	Empty bool `json:"empty,omitempty"`
	// Pipeline, Incarnation (in hexadecimal) and Created are of the header.
	Pipeline    string    `json:"pipeline"`
	Incarnation string    `json:"incarnation"`
	Created     time.Time `json:"created"`
	// Epoch is the last one, Time the wall clock when it was cut. Watermark is
	// nil if there was none.
	Epoch     uint64     `json:"epoch"`
	Time      time.Time  `json:"time"`
	Watermark *time.Time `json:"watermark"`

	Keys  int64 `json:"keys"`
	Bytes int64 `json:"bytes"`

	// IDs is how many ids are kept to tell duplicates.
	IDs int64 `json:"ids,omitempty"`

	Queries    []QueryReport     `json:"queries"`
	Partitions []PartitionReport `json:"partitions"`
	Sinks      []SinkReport      `json:"sinks"`
	Outbox     OutboxReport      `json:"outbox"`

	// Problems are the first that were found; ProblemCount counts all.
	Problems     []Problem `json:"problems"`
	ProblemCount int64     `json:"problem_count"`
}

// QueryReport is of one query's windows.
type QueryReport struct {
	Name string `json:"name"`
	// Hash is in hexadecimal, as messages show it.
	Hash string `json:"hash"`
	// Since is nil if the query has seen everything.
	Since  *time.Time   `json:"since"`
	Ledger LedgerReport `json:"ledger"`

	// Windows is how many are stored: one for each window and key. Kinds are
	// the same by kind, Keys the different keys.
	Windows int64            `json:"windows"`
	Kinds   map[string]int64 `json:"kinds"`
	Keys    int64            `json:"keys"`
	Bytes   int64            `json:"bytes"`
	// Oldest and Newest are when windows begin, sessions not counted; nil
	// without any.
	Oldest *time.Time `json:"oldest"`
	Newest *time.Time `json:"newest"`
	// Rows are those in the outbox.
	Rows int64 `json:"rows"`
}

// LedgerReport is Counts, with names.
type LedgerReport struct {
	Read       int64 `json:"read"`
	InWindows  int64 `json:"in_windows"`
	Late       int64 `json:"late"`
	Dead       int64 `json:"dead"`
	Filtered   int64 `json:"filtered"`
	Unwindowed int64 `json:"unwindowed"`
	Duplicate  int64 `json:"duplicate"`
	Overflow   int64 `json:"overflow"`
	Results    int64 `json:"results"`
}

// PartitionReport is of one source partition.
type PartitionReport struct {
	ID        uint32     `json:"id"`
	Topic     string     `json:"topic,omitempty"`
	Path      string     `json:"path,omitempty"`
	Partition int32      `json:"partition"`
	Position  int64      `json:"position"`
	Watermark *time.Time `json:"watermark"`
}

// SinkReport is of one sink's place.
type SinkReport struct {
	Name string `json:"name"`
	// Epoch is the last one it is known to hold; Marks says that it can tell.
	Epoch uint64 `json:"epoch"`
	Marks bool   `json:"marks"`
	// Epochs, Rows and Bytes are what the outbox holds of later epochs, rows
	// of queries that the sink does not take included.
	Epochs int64 `json:"epochs_behind"`
	Rows   int64 `json:"rows_behind"`
	Bytes  int64 `json:"bytes_behind"`
}

// OutboxReport is of the rows that some sink may still need.
type OutboxReport struct {
	// First and Last are epochs, 0 without rows; Epochs is how many have rows.
	First   uint64 `json:"first_epoch"`
	Last    uint64 `json:"last_epoch"`
	Epochs  int64  `json:"epochs"`
	Blocks  int64  `json:"blocks"`
	Bytes   int64  `json:"bytes"`
	Results int64  `json:"results"`
	Late    int64  `json:"late_events"`
	Dead    int64  `json:"dead_letters"`
}

// Problem is a key that is wrong.
type Problem struct {
	// Key is what it holds, in words, Raw the key in hexadecimal.
	Key string `json:"key"`
	Raw string `json:"raw"`
	Err string `json:"problem"`
}
