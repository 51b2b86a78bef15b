package otlp

import (
	"strconv"
	"strings"
	"unicode"
)

// valid makes UTF-8 of a text, as Protobuf wants it.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// exact reads an integer of 64 bits.
func exact(s string) (int64, bool) {
	i, err := strconv.ParseInt(s, 10, 64)
	return i, err == nil
}

// oneLine makes what a server says fit into a message.
func oneLine(s string) string {
	const most = 300
	s = strings.Join(strings.FieldsFunc(valid(s), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
