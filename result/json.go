package result

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/llm-optimizer/processor/event"
)

// WindowID appends the id of the result's window: the same over all firings,
// runs and restarts. It is 128 bits in hexadecimal, two xxHash64 of the query's
// seed, the window's identity and the key, told apart by their first byte.
func (r *Result) WindowID(dst []byte) []byte {
	var buf [256]byte
	in := append(buf[:0], 0)
	in = appendUint64(in, r.Query.Seed)
	in = appendUint64(in, uint64(r.Identity))
	in = append(in, r.Key...)
	hi := xxhash.Sum64(in)
	in[0] = 1
	lo := xxhash.Sum64(in)
	var raw [16]byte
	appendUint64(appendUint64(raw[:0], hi), lo)
	return hex.AppendEncode(dst, raw[:])
}

func appendUint64(b []byte, v uint64) []byte {
	return append(b, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// AppendJSON appends the result as one JSON object, without a line end. With
// meta the row also shows events, watermark and emitted_at.
func (r *Result) AppendJSON(dst []byte, meta bool) []byte {
	dst = r.appendHead(append(dst, '{'))
	dst = append(dst, `,"values":`...)
	dst = r.appendValues(dst)
	if len(r.Sketches) > 0 {
		dst = r.appendSketches(dst)
	}
	if meta {
		dst = r.appendTail(dst)
	}
	return append(dst, '}')
}

// appendHead appends the members that say which firing this is.
func (r *Result) appendHead(dst []byte) []byte {
	dst = append(dst, `"id":"`...)
	at := len(dst)
	dst = r.WindowID(dst)
	end := len(dst)
	dst = append(dst, '-')
	dst = strconv.AppendUint(dst, uint64(r.Firing), 10)
	dst = append(dst, `","window_id":"`...)
	dst = append(dst, dst[at:end]...)
	dst = append(dst, `","query":`...)
	dst = event.AppendString(dst, r.Query.Name)
	dst = append(dst, `,"key":`...)
	dst = append(dst, r.KeyJSON...)
	dst = append(dst, `,"window_start":`...)
	dst = appendBound(dst, r.Start)
	dst = append(dst, `,"window_end":`...)
	dst = appendBound(dst, r.End)
	dst = append(dst, `,"timing":"`...)
	dst = append(dst, r.Timing.String()...)
	dst = append(dst, `","firing":`...)
	dst = strconv.AppendUint(dst, uint64(r.Firing), 10)
	if r.Partial {
		dst = append(dst, `,"partial":true`...)
	}
	return dst
}

// appendTail appends the members of a row that meta asks for.
func (r *Result) appendTail(dst []byte) []byte {
	dst = append(dst, `,"events":`...)
	dst = strconv.AppendInt(dst, r.Events, 10)
	dst = append(dst, `,"watermark":`...)
	dst = appendBound(dst, r.Watermark)
	dst = append(dst, `,"emitted_at":`...)
	return appendBound(dst, r.EmittedAt)
}

func (r *Result) appendValues(dst []byte) []byte {
	if r.Values == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	for i, v := range r.Values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = event.AppendString(dst, r.Query.Values[i])
		dst = append(dst, ':')
		dst = v.AppendJSON(dst)
	}
	return append(dst, '}')
}

func (r *Result) appendSketches(dst []byte) []byte {
	dst = append(dst, `,"sketches":{`...)
	for i, s := range r.Sketches {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = event.AppendString(dst, s.Name)
		dst = append(dst, ':')
		dst = event.AppendString(dst, s.Base64)
	}
	return append(dst, '}')
}

// appendBound writes a time, or null for the ends of a global window and a
// watermark that does not exist yet.
func appendBound(dst []byte, t int64) []byte {
	if t == event.MinTime || t == event.MaxTime {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = event.AppendTime(dst, t)
	return append(dst, '"')
}

// LateByMS is by how many milliseconds the event was behind the watermark. It is
// right also where the nanoseconds between them do not fit into an int64.
func (l *LateEvent) LateByMS() float64 {
	if l.Watermark < l.Timestamp {
		return -float64(uint64(l.Timestamp)-uint64(l.Watermark)) / 1e6
	}
	return float64(uint64(l.Watermark)-uint64(l.Timestamp)) / 1e6
}

// AppendJSON appends the late event as one JSON object, without a line end.
func (l *LateEvent) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"query":`...)
	dst = event.AppendString(dst, l.Query)
	dst = append(dst, `,"source":`...)
	dst = l.Source.appendJSON(dst)
	dst = append(dst, `,"timestamp":`...)
	dst = appendBound(dst, l.Timestamp)
	dst = append(dst, `,"watermark":`...)
	dst = appendBound(dst, l.Watermark)
	dst = append(dst, `,"late_by_ms":`...)
	dst = event.AppendFloat(dst, l.LateByMS())
	dst = append(dst, `,"event":`...)
	dst = append(dst, l.Event...)
	return append(dst, '}')
}

// AppendJSON appends the dead letter as one JSON object, without a line end.
// A record that is not valid UTF-8 is written in base64.
func (d *DeadLetter) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"source":`...)
	dst = d.Source.appendJSON(dst)
	dst = append(dst, `,"reason":`...)
	dst = event.AppendString(dst, d.Reason)
	dst = append(dst, `,"error":`...)
	dst = event.AppendString(dst, d.Err)
	if len(d.Queries) > 0 {
		dst = append(dst, `,"queries":[`...)
		for i, q := range d.Queries {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = event.AppendString(dst, q)
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `,"raw":`...)
	if utf8.Valid(d.Raw) {
		dst = event.AppendString(dst, d.Raw)
	} else {
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, d.Raw)
		dst = append(dst, `","encoding":"base64"`...)
	}
	return append(dst, '}')
}

func (s Source) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if s.Topic != "" {
		dst = append(dst, `"topic":`...)
		dst = event.AppendString(dst, s.Topic)
		dst = append(dst, ',')
	} else {
		dst = append(dst, `"path":`...)
		dst = event.AppendString(dst, s.Path)
		dst = append(dst, ',')
	}
	dst = append(dst, `"partition":`...)
	dst = strconv.AppendInt(dst, int64(s.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, s.Offset, 10)
	return append(dst, '}')
}

// AppendNDJSON appends every row of the batch as a line of JSON.
func (b *Batch) AppendNDJSON(dst []byte, meta bool) []byte {
	for i := range b.Results {
		dst = append(b.Results[i].AppendJSON(dst, meta), '\n')
	}
	for i := range b.Late {
		dst = append(b.Late[i].AppendJSON(dst), '\n')
	}
	for i := range b.Dead {
		dst = append(b.Dead[i].AppendJSON(dst), '\n')
	}
	return dst
}
