package kafka

import (
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// The headers of a CloudEvent in binary mode (CloudEvents 1.0, Kafka protocol
// binding): its attributes under a prefix, and the type of its payload. With a
// content type of CloudEvents itself the record is one in structured mode.
const (
	envelopePrefix    = "ce_"
	envelopeMark      = "ce_specversion"
	contentTypeHeader = "content-type"
	structuredType    = "application/cloudevents"
)

// Envelopes has each chunk show which of its records are CloudEvents in binary
// mode, those with a header ce_specversion.
func (s *Source) Envelopes() { s.envelopes = true }

// putEnvelope appends the envelope of the record that was appended last, if it
// has one.
func putEnvelope(c *source.Chunk, headers []kgo.RecordHeader) {
	if headerAt(headers, envelopeMark) < 0 {
		if len(c.Envelopes) > 0 {
			c.Envelopes = append(c.Envelopes, event.Ref{})
		}
		return
	}
	for len(c.Envelopes) < len(c.Spans)-1 {
		c.Envelopes = append(c.Envelopes, event.Ref{})
	}
	kind := headerAt(headers, contentTypeHeader)
	if kind >= 0 && hasPrefixFold(headers[kind].Value, structuredType) {
		c.Envelopes = append(c.Envelopes, event.Ref{})
		return
	}
	off := len(c.Data)
	c.Data = append(c.Data, '{')
	var names map[string]bool
	if len(headers) > fewHeaders {
		names = make(map[string]bool, len(headers))
	}
	for i := range headers {
		name, is := strings.CutPrefix(headers[i].Key, envelopePrefix)
		if is && name != "data" && name != "data_base64" && isFirst(headers, i, names) {
			c.Data = appendMember(c.Data, name, headers[i].Value)
		}
	}
	if kind >= 0 {
		c.Data = appendMember(c.Data, "datacontenttype", headers[kind].Value)
	}
	c.Data[len(c.Data)-1] = '}' // over the last comma: specversion is always there
	c.Envelopes = append(c.Envelopes, event.Ref{Off: uint32(off), Len: uint32(len(c.Data) - off)})
	c.Data = append(c.Data, '\n')
}

// fewHeaders are looked through for a name; of more the names are noted, as a
// record of a megabyte has place for a hundred thousand.
const fewHeaders = 32

// isFirst reports whether a header is the first of its name; names, if there is
// such a map, has those before it.
func isFirst(headers []kgo.RecordHeader, i int, names map[string]bool) bool {
	name := headers[i].Key
	if names == nil {
		return headerAt(headers, name) == i
	}
	before := names[name]
	names[name] = true
	return !before
}

// headerAt is the place of the first header of a name, -1 if there is none.
func headerAt(headers []kgo.RecordHeader, name string) int {
	for i := range headers {
		if headers[i].Key == name {
			return i
		}
	}
	return -1
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

// appendMember appends "name":"value", with a comma; null for a header without
// a value.
func appendMember(dst []byte, name string, value []byte) []byte {
	if !utf8.ValidString(name) {
		name = string(appendUTF8(nil, name))
	}
	dst = append(event.AppendString(dst, name), ':')
	if value == nil {
		return append(dst, "null,"...)
	}
	if !utf8.Valid(value) {
		value = appendUTF8(nil, value)
	}
	return append(event.AppendString(dst, value), ',')
}
