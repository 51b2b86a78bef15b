package refmodel

import (
	"strconv"
	"strings"

	"github.com/llm-optimizer/processor/event"
)

// keyOf is the grouping key of an event. "A missing or null key field: its own
// group, key value null."
func (q *running) keyOf(fields map[string]event.Value) []event.Value {
	key := make([]event.Value, len(q.Key))
	for i, k := range q.Key {
		key[i] = fields[k.Expr]
	}
	return key
}

// Identity is a text that two values share exactly when they are one key:
// "keys keep their type and all 64 bits of an integer: 1, "1" and true are
// three groups"; "numbers equal in value are one key".
func Identity(v event.Value) string {
	switch v.Kind {
	case event.Number:
		if v.Num == 0 {
			return "number 0"
		}
		return "number " + strconv.FormatFloat(v.Num, 'g', -1, 64)
	case event.Integer:
		return "number " + v.Str
	case event.String:
		return "string " + v.Str
	case event.True:
		return "true"
	case event.False:
		return "false"
	default:
		return "null"
	}
}

// KeyText is Identity for a whole key.
func KeyText(key []event.Value) string {
	parts := make([]string, len(key))
	for i, v := range key {
		parts[i] = strconv.Quote(Identity(v))
	}
	return strings.Join(parts, ",")
}
