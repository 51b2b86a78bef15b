package result

import (
	"strconv"

	"github.com/llm-optimizer/processor/event"
)

// appendWindow appends a row as the optimizer's WindowResult. It knows no
// withdrawal: of a withdrawn session there is what an empty one would give,
// with its bounds and key, so that it counts for nothing where a row replaces
// the one before.
func (e *Encoder) appendWindow(dst []byte, r *Result) []byte {
	dst = append(dst, `{"window":{"bounds":{"start":"`...)
	dst = event.AppendTime(dst, r.Start)
	dst = append(dst, `","end":"`...)
	dst = event.AppendTime(dst, r.End)
	dst = append(dst, `"},"id":"`...)
	dst = strconv.AppendInt(dst, millis(r.Start), 10)
	dst = append(dst, '_')
	dst = strconv.AppendInt(dst, millis(r.End), 10)
	dst = append(dst, `"},"key":`...)
	dst = e.appendKeyText(dst, r)
	dst = append(dst, `,"results":{"counts":{`...)
	dst = r.appendSome(dst, inCounts)
	dst = append(dst, `},"values":{`...)
	dst = r.appendSome(dst, inValues)
	dst = append(dst, '}')
	at := len(dst)
	dst = append(dst, `,"other":{`...)
	from := len(dst)
	if dst = r.appendSome(dst, inOther); len(dst) == from {
		dst = dst[:at]
	} else {
		dst = append(dst, '}')
	}
	dst = append(dst, `},"event_count":`...)
	dst = strconv.AppendInt(dst, max(0, r.Events), 10)
	dst = append(dst, `,"processed_at":"`...)
	dst = event.AppendTime(dst, r.EmittedAt)
	dst = append(dst, `","watermark":`...)
	dst = appendBound(dst, r.Watermark)
	return e.appendMeta(dst, r)
}

// millis is a time in whole milliseconds, rounded down.
func millis(t int64) int64 {
	ms := t / 1e6
	if t%1e6 < 0 {
		ms--
	}
	return ms
}

// place is where in a WindowResult a value goes.
type place uint8

const (
	nowhere place = iota
	inCounts
	inValues
	inOther
)

// place tells counts, which are unsigned integers, from other numbers by the
// function, never by the value: a sum of 3 dollars is not a count.
func (r *Result) place(i int) place {
	switch v := r.Values[i]; {
	case v.Kind == event.Null || v.Kind == event.Invalid:
		return nowhere
	case v.Kind == event.Number && !isNumber(v):
		return nowhere
	case !isNumber(v):
		return inOther
	case r.isCount(i) && isUnsigned(v):
		return inCounts
	default:
		return inValues
	}
}

// isCount says whether a value is made by a function that counts.
func (r *Result) isCount(i int) bool {
	if i >= len(r.Query.Functions) {
		return false
	}
	name := r.Query.Functions[i].Name
	return name == "count" || name == "distinct"
}

func isUnsigned(v event.Value) bool {
	if v.Kind == event.Integer {
		return v.Str != "" && v.Str[0] != '-'
	}
	return v.Num >= 0 && v.Num < 1<<63 && v.Num == float64(uint64(v.Num))
}

// appendSome appends the members of an object that belong in one place.
func (r *Result) appendSome(dst []byte, in place) []byte {
	first := true
	for i := range r.Values {
		if r.place(i) != in {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = event.AppendString(dst, r.Query.Values[i])
		dst = r.Values[i].AppendJSON(append(dst, ':'))
	}
	return dst
}
