package result

import "strings"

// units are the endings of aggregates' names that tell a unit, in the codes of
// UCUM where it has one. The first that fits counts.
var units = [...]struct{ ending, unit string }{
	{"_per_second", "1/s"}, {"_per_s", "1/s"},
	{"_ms", "ms"}, {"_seconds", "s"}, {"_s", "s"},
	{"_usd", "USD"}, {"_bytes", "By"}, {"_pct", "%"}, {"_ratio", "1"},
}

// Unit is the unit that the name of an aggregate tells by its ending: p95_ms is
// in ms, cost_usd in USD. Without such an ending it is "1", a plain number.
func Unit(name string) string {
	for _, u := range &units {
		if strings.HasSuffix(name, u.ending) {
			return u.unit
		}
	}
	return "1"
}

// misread are the words by which the optimizer's analyzers take a Metric for
// the measurement of one request, wherever they stand in its name, and what is
// written instead.
var misread = [...]struct{ word, instead string }{
	{"latency", "response_time"}, {"duration", "elapsed_time"}, {"cost", "spend"},
}

// appendAnalyzerName appends a name without these words. It looks at the end of
// what it has written, so a word that a replacement would complete is found too.
func appendAnalyzerName(dst []byte, name string) []byte {
	from := len(dst)
	for i := range len(name) {
		dst = append(dst, name[i])
		for _, m := range &misread {
			at := len(dst) - len(m.word)
			if at >= from && string(dst[at:]) == m.word {
				dst = append(dst[:at], m.instead...)
				break
			}
		}
	}
	return dst
}
