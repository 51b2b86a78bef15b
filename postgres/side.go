package postgres

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

// position is where a record came from: the key of late events and dead letters.
type position struct {
	source, partition, offset *column
}

func newPosition(t *table) position {
	return position{
		source:    t.fixed("source", text, true),
		partition: t.fixed("partition", count, true),
		offset:    t.fixed("offset", count, true),
	}
}

// put writes the position and returns what identifies it. Source is the topic
// or the path.
func (p position) put(row int, s result.Source) {
	p.source.setText(row, s.Topic+s.Path)
	p.partition.setInt(row, int64(s.Partition))
	p.offset.setInt(row, s.Offset)
}

func positionID(s result.Source) string {
	return strconv.Itoa(int(s.Partition)) + " " + strconv.FormatInt(s.Offset, 10) + " " + s.Topic + s.Path
}

// lateTable is a table of late events: one row for each query that an event
// came too late for.
type lateTable struct {
	*table
	query *column
	position
	timestamp, watermark, lateBy, event *column
}

func newLateTable(name pgx.Identifier) *lateTable {
	t := newTable(name, "source", "partition", "offset", "query")
	return &lateTable{
		table: t, query: t.fixed("query", text, true), position: newPosition(t),
		timestamp: t.fixed("timestamp", moment, false), watermark: t.fixed("watermark", moment, false),
		lateBy: t.fixed("late_by_ms", number, false), event: t.fixed("event", text, true),
	}
}

func (t *tables) putLate(late []result.LateEvent) error {
	if len(late) > 0 && t.late == nil {
		return errors.New("late events have no table: set the sink's table for them")
	}
	for i := range late {
		t.late.put(&late[i])
	}
	return nil
}

func (t *lateTable) put(l *result.LateEvent) {
	row := t.row(positionID(l.Source) + " " + l.Query)
	t.query.setText(row, l.Query)
	t.position.put(row, l.Source)
	t.timestamp.setTime(row, l.Timestamp)
	t.watermark.setTime(row, l.Watermark)
	t.lateBy.setFloat(row, l.LateByMS())
	t.event.setText(row, string(l.Event))
	t.bytes += len(l.Event)
}

// deadTable is a table of dead letters, one row a record.
type deadTable struct {
	*table
	position
	reason, err, queries, raw, encoding *column
}

func newDeadTable(name pgx.Identifier) *deadTable {
	t := newTable(name, "source", "partition", "offset")
	return &deadTable{
		table: t, position: newPosition(t),
		reason: t.fixed("reason", text, true), err: t.fixed("error", text, true),
		queries: t.fixed("queries", document, false),
		raw:     t.fixed("raw", text, true), encoding: t.fixed("encoding", text, false),
	}
}

func (t *tables) putDead(dead []result.DeadLetter) error {
	if len(dead) > 0 && t.dead == nil {
		return errors.New("dead letters have no table: set the sink's table for them")
	}
	for i := range dead {
		t.dead.put(&dead[i])
	}
	return nil
}

// put writes a record that is no text for the server in base64, so that nothing
// of it is lost.
func (t *deadTable) put(d *result.DeadLetter) {
	row := t.row(positionID(d.Source))
	t.position.put(row, d.Source)
	t.reason.setText(row, d.Reason)
	t.err.setText(row, d.Err)
	if len(d.Queries) > 0 {
		t.queries.setJSON(row, namesJSON(d.Queries))
	}
	raw := string(d.Raw)
	if !utf8.ValidString(raw) || strings.IndexByte(raw, 0) >= 0 {
		raw = base64.StdEncoding.EncodeToString(d.Raw)
		t.encoding.setText(row, "base64")
	}
	t.raw.setText(row, raw)
	t.bytes += len(raw) + len(d.Err)
}

func namesJSON(names []string) []byte {
	dst := []byte{'['}
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = event.AppendString(dst, name)
	}
	return append(dst, ']')
}
