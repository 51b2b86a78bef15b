package kafka

import (
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// attribute is what a record has beside its value.
type attribute struct {
	kind   attributeKind
	header string
}

type attributeKind uint8

const (
	keyOf attributeKind = iota
	timestampOf
	offsetOf
	partitionOf
	topicOf
	headerOf
)

// plainAttributes are those with one name.
var plainAttributes = map[string]attributeKind{
	"$key": keyOf, "$timestamp": timestampOf, "$offset": offsetOf, "$partition": partitionOf, "$topic": topicOf,
}

// Attribute says that records have a key ($key), a time in milliseconds since
// 1970 ($timestamp), an $offset, a $partition, a $topic and headers
// ($header.NAME, the first of that name). A key or header is text; where it is
// no UTF-8, each wrong byte is U+FFFD. What is missing is null.
func (s *Source) Attribute(path []string) bool {
	switch {
	case len(path) == 2 && path[0] == "$header":
		s.attributes = append(s.attributes, attribute{headerOf, path[1]})
		return true
	case len(path) == 1:
		kind, ok := plainAttributes[path[0]]
		if ok {
			s.attributes = append(s.attributes, attribute{kind: kind})
		}
		return ok
	}
	return false
}

// put appends a record's attribute to its column.
func (a *attribute) put(c *source.Chunk, col *event.Column, r *kgo.Record) {
	switch a.kind {
	case keyOf:
		putBytes(c, col, r.Key)
	case timestampOf:
		ms := r.Timestamp.UnixMilli()
		if ms < 0 { // the record has none
			putNull(col)
			return
		}
		putNumber(col, ms)
	case offsetOf:
		putNumber(col, r.Offset)
	case partitionOf:
		putNumber(col, int64(r.Partition))
	case topicOf:
		putText(c, col, r.Topic)
	case headerOf:
		for i := range r.Headers {
			if r.Headers[i].Key == a.header {
				putBytes(c, col, r.Headers[i].Value)
				return
			}
		}
		putNull(col)
	}
}

func putNull(col *event.Column) {
	col.Kind, col.Num, col.Str = append(col.Kind, event.Null), append(col.Num, 0), append(col.Str, event.Ref{})
}

// putNumber appends a number: offsets and times are far below 2^53.
func putNumber(col *event.Column, n int64) {
	col.Kind, col.Num, col.Str = append(col.Kind, event.Number), append(col.Num, float64(n)), append(col.Str, event.Ref{})
}

// putBytes appends text of which nil is null.
func putBytes(c *source.Chunk, col *event.Column, text []byte) {
	if text == nil {
		putNull(col)
		return
	}
	putText(c, col, text)
}

// putText appends text that is copied behind the record.
func putText[T string | []byte](c *source.Chunk, col *event.Column, text T) {
	off := len(c.Data)
	c.Data = appendUTF8(c.Data, text)
	col.Kind, col.Num = append(col.Kind, event.String), append(col.Num, 0)
	col.Str = append(col.Str, event.Ref{Off: uint32(off), Len: uint32(len(c.Data) - off)})
}

// appendUTF8 appends text with U+FFFD for each byte that is no UTF-8.
func appendUTF8[T string | []byte](dst []byte, text T) []byte {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			dst = append(dst, text[i])
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}
