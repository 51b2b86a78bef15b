package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// mismatch says why a value does not fit its setting; it follows the value in
// a message.
type mismatch string

func mismatchf(format string, args ...any) mismatch { return mismatch(fmt.Sprintf(format, args...)) }

// parse reads a scalar as the setting takes it: a string, bool, int64, float64
// or time.Duration.
func (s *setting) parse(n *node) (any, mismatch) {
	switch s.Kind {
	case text, field:
		return s.parseText(n)
	case choice:
		return s.parseChoice(n)
	case boolean:
		return s.parseBool(n)
	case integer:
		return s.parseInteger(n)
	case duration:
		return s.parseDuration(n)
	case size:
		return s.parseSize(n)
	case fraction:
		return s.parseFraction(n)
	default:
		return n.text, ""
	}
}

func (s *setting) parseText(n *node) (any, mismatch) {
	if n.scalar != textScalar && n.scalar != anyScalar {
		return nil, mismatchf("is %s; it has to be text: put it in quotes", n.scalar)
	}
	if s.pattern != nil && !s.pattern.MatchString(n.text) {
		return nil, mismatchf("is not allowed; it has to be %s", s.PatternDoc)
	}
	return n.text, ""
}

func (s *setting) parseChoice(n *node) (any, mismatch) {
	if s.Off && n.text == "" {
		return "", ""
	}
	for _, v := range s.Values {
		if v == n.text {
			return n.text, ""
		}
	}
	return nil, mismatchf("is unknown; %s", didYouMean(n.text, s.Values))
}

func (s *setting) parseBool(n *node) (any, mismatch) {
	if n.scalar == boolScalar || n.scalar == anyScalar {
		switch strings.ToLower(n.text) {
		case "true":
			return true, ""
		case "false":
			return false, ""
		}
	}
	if n.scalar == textScalar && (n.text == "true" || n.text == "false") {
		return nil, mismatchf("is text; it has to be true or false, without quotes")
	}
	return nil, mismatchf("is %s; it has to be true or false", n.scalar)
}

func (s *setting) parseInteger(n *node) (any, mismatch) {
	i, err := strconv.ParseInt(n.text, 10, 64)
	switch {
	case n.scalar != intScalar && n.scalar != anyScalar:
		return nil, mismatchf("is %s; it has to be a whole number%s", n.scalar, s.bounds(itoa64))
	case err != nil && n.scalar == anyScalar:
		return nil, mismatchf("is no whole number; it has to be one%s", s.bounds(itoa64))
	case err != nil:
		return nil, mismatchf("is larger than 64 bits can hold; it has to be a whole number%s", s.bounds(itoa64))
	case s.outside(i):
		return nil, mismatchf("is out of range; it has to be a whole number%s", s.bounds(itoa64))
	}
	return i, ""
}

func (s *setting) parseDuration(n *node) (any, mismatch) {
	if n.scalar == boolScalar {
		return nil, mismatchf("is %s; it has to be a duration such as 500ms, 30s, 5m, 1h30m or 7d", n.scalar)
	}
	d, err := ParseDuration(n.text)
	if err != nil {
		return nil, mismatch(err.Error())
	}
	if s.outside(int64(d)) {
		return nil, mismatchf("is out of range; it has to be a duration%s", s.bounds(func(i int64) string { return formatDuration(time.Duration(i)) }))
	}
	return d, ""
}

func (s *setting) parseSize(n *node) (any, mismatch) {
	b, err := ParseSize(n.text)
	if err != nil {
		return nil, mismatch(err.Error())
	}
	if s.outside(b) {
		return nil, mismatchf("is out of range; it has to be a number of bytes%s", s.bounds(formatSize))
	}
	return b, ""
}

func (s *setting) parseFraction(n *node) (any, mismatch) {
	if n.scalar == boolScalar || n.scalar == textScalar {
		return nil, mismatchf("is %s; it has to be a number from 0 to 1", n.scalar)
	}
	f, err := strconv.ParseFloat(n.text, 64)
	if err != nil || !(f >= 0 && f <= 1) { // NaN is not
		return nil, mismatchf("is no number from 0 to 1")
	}
	return f, ""
}

// outside reports whether a number is beyond the setting's bounds.
func (s *setting) outside(i int64) bool {
	return (s.Min != 0 || s.Max != 0) && (i < s.Min || i > s.Max)
}

// bounds says what range is allowed.
func (s *setting) bounds(format func(int64) string) string {
	switch {
	case s.Min == 0 && s.Max == 0:
		return ""
	case s.Max == math.MaxInt64 && s.Kind == duration && s.Min == 0:
		return " that is not negative"
	case s.Max == math.MaxInt64 && s.Kind == duration && s.Min == 1:
		return " longer than 0"
	case s.Max == math.MaxInt64:
		return " of at least " + format(s.Min)
	case s.Kind == duration && s.Min == 1:
		return " longer than 0 and up to " + format(s.Max)
	default:
		return " from " + format(s.Min) + " to " + format(s.Max)
	}
}

func itoa64(i int64) string { return strconv.FormatInt(i, 10) }
