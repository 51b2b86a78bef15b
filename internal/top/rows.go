package top

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/llm-optimizer/processor/pipeline"
)

// queries are those that pass the filter, unless none does: a filter for keys
// of results must not lose the query.
func (m *Model) queries() []pipeline.QueryStatus {
	if m.status == nil {
		return nil
	}
	list := only(m.status.Queries, func(q *pipeline.QueryStatus) bool { return m.passes(q.Name, q.Window) })
	if len(list) == 0 {
		return m.status.Queries
	}
	return list
}

func (m *Model) partitions() []pipeline.PartitionStatus {
	if m.status == nil {
		return nil
	}
	return only(m.status.Partitions, func(p *pipeline.PartitionStatus) bool { return m.passes(p.Name, p.Status) })
}

func (m *Model) sinks() []pipeline.SinkStatus {
	if m.status == nil {
		return nil
	}
	return only(m.status.Sinks, func(s *pipeline.SinkStatus) bool { return m.passes(s.Name, s.Kind, s.Trouble.Error) })
}

func (m *Model) groups() []pipeline.OpenGroup {
	if m.status == nil {
		return nil
	}
	return only(m.why.Windows, func(g *pipeline.OpenGroup) bool { return m.passes(g.Query, bounds(g.Start, g.End, m.status.Now)) })
}

// rows are the results of the chosen query, the newest first.
func (m *Model) rows() []Row {
	if m.status == nil || m.resultsOf != m.query() {
		return nil
	}
	list := only(m.results.Rows, func(r *Row) bool {
		return m.passes(r.Query, bounds(r.Start, r.End, m.status.Now), r.Timing, pairs(r.Key), pairs(r.Values))
	})
	newest := make([]Row, len(list))
	for i := range list {
		newest[len(list)-1-i] = list[i]
	}
	return newest
}

// only are the elements that are to be kept, in a list of their own.
func only[T any](list []T, keep func(*T) bool) []T {
	var kept []T
	for i := range list {
		if keep(&list[i]) {
			kept = append(kept, list[i])
		}
	}
	return kept
}

// size is how many rows of a panel can be chosen.
func (m *Model) size(p panel) int {
	switch p {
	case queriesPanel:
		return len(m.queries())
	case partitionsPanel:
		return len(m.partitions())
	case sinksPanel:
		return len(m.sinks())
	case whyPanel:
		return len(m.groups())
	default:
		return len(m.rows())
	}
}

// pairs writes a JSON object as "name=value" in its order; what is no object as
// it came.
func pairs(object json.RawMessage) string {
	if s := string(bytes.TrimSpace(object)); s == "" || s == "null" {
		return "-"
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return string(object)
	}
	var list []string
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return string(object)
		}
		text := string(value)
		var s string
		if value[0] == '"' && json.Unmarshal(value, &s) == nil && unambiguous(s) {
			text = s
		}
		field, _ := name.(string)
		list = append(list, field+"="+text)
	}
	return strings.Join(list, " ")
}

// unambiguous reports whether a string can stand without quotes and still be
// told from a number, a null and its neighbours.
func unambiguous(s string) bool {
	return s != "" && !strings.ContainsAny(s, " \t\r\n\"=") && !json.Valid([]byte(s))
}
