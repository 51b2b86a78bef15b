package result

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-optimizer/processor/event"
)

// Encoding is how results are written. All encodings read the row and nothing
// else, so a row that is delivered again has the same bytes.
type Encoding uint8

// The encodings. The types that all but Native write are those of the LLM
// optimizer; docs/encodings.md shows one of each.
const (
	// Native is the one JSON form of results, Result.AppendJSON.
	Native Encoding = iota
	// WindowResult is one record a row: numbers by name, apart in counts and
	// values.
	WindowResult
	// MetricPoint is one record for each number of a row.
	MetricPoint
	// AnalyzerEvent is one record for each number of a row, an event of type
	// Metric.
	AnalyzerEvent
)

var encodings = [...]string{"native", "window_result", "metric_point", "analyzer_event"}

// String is the encoding as it is written in a config.
func (e Encoding) String() string { return encodings[e] }

// Encodings lists the encodings as they are written in a config.
func Encodings() []string { return slices.Clone(encodings[:]) }

// ParseEncoding reads an encoding as it is written in a config; an empty text is
// Native.
func ParseEncoding(text string) (Encoding, error) {
	if text == "" {
		return Native, nil
	}
	i := slices.Index(encodings[:], text)
	if i < 0 {
		last := len(encodings) - 1
		return Native, fmt.Errorf("unknown encoding %q: use %s or %s", text, strings.Join(encodings[:last], ", "), encodings[last])
	}
	return Encoding(i), nil
}

// Check says what of a query the encoding cannot express: two names that would
// become one. Nil is fine.
func (e Encoding) Check(q *Query) error {
	if e != AnalyzerEvent {
		return nil
	}
	seen := make(map[string]string, len(q.Values))
	for _, name := range q.Values {
		to := string(appendAnalyzerName(nil, name))
		if from, ok := seen[to]; ok {
			return fmt.Errorf("query %s: the encoding %s writes both %s and %s as %s: give one of them another name", q.Name, e, from, name, to)
		}
		seen[to] = name
	}
	return nil
}

// Encoder writes results in an encoding. The zero Encoder writes Native. It
// keeps memory for the next row and belongs to one goroutine.
type Encoder struct {
	Encoding Encoding
	// Meta adds what else the row says; see docs/encodings.md.
	Meta bool

	tags  []byte // the key of the row as a JSON object of texts
	parts []byte // the key's fields as "name:value", one after the other
	ends  []span // where they are in parts
}

// span is a range of bytes.
type span struct{ from, to int }

// Record is one of the records that a row gave.
type Record struct {
	// Name is the aggregate that the record is about; empty for all of the row.
	Name string
	// From and To are where the record lies in what was appended to, without
	// the line's end.
	From, To int
}

// AppendKey appends the key by which a later record replaces this one: the
// window's id, and with a name that too, as in "<window id>/<name>".
func (c Record) AppendKey(dst []byte, r *Result) []byte {
	dst = r.WindowID(dst)
	if c.Name != "" {
		dst = append(append(dst, '/'), c.Name...)
	}
	return dst
}

// Append appends the records of a row to dst, each as a line, and their places
// to records. A row may give none: a withdrawn session, or one without numbers,
// has nothing to say in MetricPoint and AnalyzerEvent.
func (e *Encoder) Append(dst []byte, records []Record, r *Result) ([]byte, []Record) {
	from := len(dst)
	switch e.Encoding {
	case WindowResult:
		dst = e.appendWindow(dst, r)
	case MetricPoint, AnalyzerEvent:
		return e.appendPoints(dst, records, r)
	default:
		dst = r.AppendJSON(dst, e.Meta)
	}
	return append(dst, '\n'), append(records, Record{From: from, To: len(dst)})
}

// appendMeta closes the record, with the rest of the row before if Meta asks
// for it.
func (e *Encoder) appendMeta(dst []byte, r *Result) []byte {
	if e.Meta {
		dst = append(dst, `,"row":{`...)
		dst = r.appendHead(dst)
		dst = append(r.appendTail(dst), '}')
	}
	return append(dst, '}')
}

// isNumber says whether the value is a number that JSON can hold.
func isNumber(v event.Value) bool {
	return v.Kind == event.Integer || v.Kind == event.Number && v.Num-v.Num == 0
}
