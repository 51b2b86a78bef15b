package prometheus

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/llm-optimizer/processor/event"
)

// labelName makes a name that Prometheus takes out of any: what is no letter,
// digit or underscore becomes an underscore. Names that begin with two of them
// are Prometheus's own.
func labelName(name string) string {
	var b strings.Builder
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= '0' && c <= '9' && i > 0:
			b.WriteRune(c)
		case c >= '0' && c <= '9':
			b.WriteByte('_')
			b.WriteRune(c)
		default:
			b.WriteByte('_')
		}
	}
	if text := b.String(); strings.HasPrefix(text, "__") {
		return "_" + strings.TrimLeft(text, "_")
	} else if text != "" {
		return text
	}
	return "_"
}

// metricName is the metric of an aggregate.
func metricName(prefix, aggregate string) string {
	var b strings.Builder
	b.WriteString(prefix)
	for _, c := range aggregate {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' {
			b.WriteRune(c)
		} else {
			b.WriteByte('_')
		}
	}
	return b.String()
}

// labelValue writes a field of a key so that no two look alike: strings as they
// are, other values as JSON, and a string that looks like one of those in quotes.
func labelValue(v event.Value) string {
	switch {
	case v.Kind != event.String:
		return string(v.AppendJSON(nil))
	case looksLikeJSON(v.Str):
		return string(event.AppendString(nil, v.Str))
	}
	return strings.ToValidUTF8(v.Str, "\uFFFD")
}

// looksLikeJSON reports whether a string is what labelValue writes for something
// else: another kind of value, or a string in quotes.
func looksLikeJSON(s string) bool {
	switch s {
	case "null", "true", "false":
		return true
	}
	if strings.HasPrefix(s, `"`) {
		var inside string
		return json.Unmarshal([]byte(s), &inside) == nil && looksLikeJSON(inside)
	}
	return isNumber(s)
}

// isNumber reports whether a number is written like that.
func isNumber(s string) bool {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.FormatInt(i, 10) == s
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return strconv.FormatUint(u, 10) == s
	}
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && string(event.AppendFloat(nil, f)) == s
}
