package server

import (
	"encoding/json"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

// What is kept of late events and of dead letters, each.
const (
	sampleRows  = 100
	sampleBytes = 1 << 20
	// sampleRecord is how much of a record is shown.
	sampleRecord = 8 << 10
)

// Samples keeps the last late events and dead letters. Its methods Late and
// Dead are hooks of pipeline.Observer.
type Samples struct{ late, dead sample }

// NewSamples makes an empty one.
func NewSamples() *Samples { return &Samples{} }

// Late counts late events and keeps the last ones. One that is long, or is no
// JSON, is kept as a text, cut.
func (s *Samples) Late(rows []result.LateEvent) {
	last := rows[max(0, len(rows)-sampleRows):]
	made := make([][]byte, 0, len(last))
	for _, l := range last { // a copy, which may be changed
		if len(l.Event) > sampleRecord || !json.Valid(l.Event) {
			l.Event = event.AppendString(nil, cut(l.Event))
		}
		made = append(made, l.AppendJSON(nil))
	}
	s.late.add(made, len(rows))
}

// Dead counts dead letters and keeps the last ones; a long one is cut.
func (s *Samples) Dead(rows []result.DeadLetter) {
	last := rows[max(0, len(rows)-sampleRows):]
	made := make([][]byte, 0, len(last))
	for _, d := range last { // a copy, which may be changed
		d.Raw = cut(d.Raw)
		d.Err = string(cut([]byte(d.Err)))
		made = append(made, d.AppendJSON(nil))
	}
	s.dead.add(made, len(rows))
}

// cut shortens a record, not within a character.
func cut(record []byte) []byte {
	if len(record) <= sampleRecord {
		return record
	}
	n := sampleRecord
	for n > sampleRecord-utf8.UTFMax && !utf8.RuneStart(record[n]) {
		n--
	}
	return record[:n:n]
}

// sample is the last rows of many.
type sample struct {
	mu    sync.Mutex
	rows  [][]byte
	bytes int
	// total counts all that came.
	total int64
}

func (s *sample) add(rows [][]byte, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total += int64(n)
	for _, row := range rows {
		s.rows = append(s.rows, row)
		s.bytes += len(row)
	}
	gone := 0
	for len(s.rows)-gone > sampleRows || s.bytes > sampleBytes {
		s.bytes -= len(s.rows[gone])
		gone++
	}
	s.rows = slices.Delete(s.rows, 0, gone)
}

// list is the rows, newest last, and how many came in all.
func (s *sample) list() (rows [][]byte, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rows), s.total
}
