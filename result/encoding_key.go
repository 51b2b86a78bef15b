package result

import (
	"bytes"
	"slices"

	"github.com/llm-optimizer/processor/event"
)

// appendText appends a field of a key as text: a string as it is, other
// values as JSON.
func appendText(dst []byte, v event.Value) []byte {
	if v.Kind == event.String {
		return append(dst, v.Str...)
	}
	return v.AppendJSON(dst)
}

// appendTags appends the query's name and the fields of the key that are not
// null as a JSON object of texts. No field can be called query.
func (r *Result) appendTags(dst []byte) []byte {
	dst = event.AppendString(append(dst, `{"query":`...), r.Query.Name)
	rest := r.Key
	for _, name := range r.Query.Keys {
		v, after, ok := event.NextKeyField(rest)
		if !ok {
			break
		}
		rest = after
		if v.Kind == event.Null {
			continue
		}
		dst = event.AppendString(append(dst, ','), name)
		dst = append(dst, ':')
		if v.Kind == event.String {
			dst = event.AppendString(dst, v.Str)
			continue
		}
		dst = append(v.AppendJSON(append(dst, '"')), '"')
	}
	return append(dst, '}')
}

// appendKeyText appends the key as the optimizer writes one, as a JSON string:
// "model:X", "session:X" and "user:X" for a key of just that field, else
// "composite:" and all fields as name:value in the order of these texts. The
// fields model_id, session_id and user_id are model, session and user, unless
// there are both.
func (e *Encoder) appendKeyText(dst []byte, r *Result) []byte {
	e.parts, e.ends = e.parts[:0], e.ends[:0]
	rest := r.Key
	for _, name := range r.Query.Keys {
		v, after, ok := event.NextKeyField(rest)
		if !ok {
			break
		}
		rest = after
		from := len(e.parts)
		e.parts = append(append(e.parts, dimension(name, r.Query.Keys)...), ':')
		e.parts = appendText(e.parts, v)
		e.ends = append(e.ends, span{from, len(e.parts)})
	}
	if len(e.ends) == 1 && isDimension(e.parts) {
		return event.AppendString(dst, e.parts)
	}
	slices.SortFunc(e.ends, func(a, b span) int {
		return bytes.Compare(e.parts[a.from:a.to], e.parts[b.from:b.to])
	})
	all := len(e.parts)
	e.parts = append(e.parts, "composite:"...)
	for i, s := range e.ends {
		if i > 0 {
			e.parts = append(e.parts, ',')
		}
		e.parts = append(e.parts, e.parts[s.from:s.to]...)
	}
	return event.AppendString(dst, e.parts[all:])
}

// dimensions are the fields that a key of their own is called by.
var dimensions = [...]struct{ name, id string }{{"model", "model_id"}, {"session", "session_id"}, {"user", "user_id"}}

func dimension(name string, all []string) string {
	for _, d := range &dimensions {
		if name == d.id && !slices.Contains(all, d.name) {
			return d.name
		}
	}
	return name
}

func isDimension(part []byte) bool {
	name, _, _ := bytes.Cut(part, []byte(":"))
	for _, d := range &dimensions {
		if string(name) == d.name {
			return true
		}
	}
	return false
}
