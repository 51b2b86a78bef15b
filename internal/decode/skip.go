package decode

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// scan validates. Its methods take a view and an index, and return the index
// behind what they read, or -1 after noting why they could not.
type scan struct {
	maxDepth int

	failedAt int
	reason   string
	problem  string
}

// skip validates the value at b[i], which lies in depth objects and arrays.
func (s *scan) skip(b []byte, i, depth int) int {
	switch b[i] {
	case '"':
		i, _ = s.text(b, i+1)
		return i
	case '{':
		return s.skipObject(b, i, depth+1)
	case '[':
		return s.skipArray(b, i, depth+1)
	case 't':
		return s.word(b, i, 4, lastOfTrue)
	case 'f':
		return s.word(b, i, 5, lastOfFalse)
	case 'n':
		return s.word(b, i, 4, lastOfNull)
	}
	return s.skipNumber(b, i)
}

func (s *scan) skipObject(b []byte, i, depth int) int {
	if depth > s.maxDepth {
		return s.tooDeep(i)
	}
	i = skipSpace(b, i+1)
	if b[i] == '}' {
		return i + 1
	}
	for {
		if b[i] != '"' {
			return s.fail(i, "a key in quotes should begin")
		}
		if i, _ = s.text(b, i+1); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); b[i] != ':' {
			return s.fail(i, "':' should follow the key")
		}
		if i = s.skip(b, skipSpace(b, i+1), depth); i < 0 {
			return -1
		}
		i = skipSpace(b, i)
		if b[i] != ',' {
			break
		}
		i = skipSpace(b, i+1)
	}
	if b[i] != '}' {
		return s.fail(i, "',' or '}' should follow the value")
	}
	return i + 1
}

func (s *scan) skipArray(b []byte, i, depth int) int {
	if depth > s.maxDepth {
		return s.tooDeep(i)
	}
	i = skipSpace(b, i+1)
	if b[i] == ']' {
		return i + 1
	}
	for {
		if i = s.skip(b, i, depth); i < 0 {
			return -1
		}
		i = skipSpace(b, i)
		if b[i] != ',' {
			break
		}
		i = skipSpace(b, i+1)
	}
	if b[i] != ']' {
		return s.fail(i, "',' or ']' should follow the value")
	}
	return i + 1
}

// The words of JSON by their last four bytes: the first byte of false is known
// where they are asked for.
const (
	lastOfTrue  = 't' | 'r'<<8 | 'u'<<16 | 'e'<<24
	lastOfFalse = 'a' | 'l'<<8 | 's'<<16 | 'e'<<24
	lastOfNull  = 'n' | 'u'<<8 | 'l'<<16 | 'l'<<24
)

// word validates one of the words true, false and null.
func (s *scan) word(b []byte, i, size int, last uint32) int {
	if binary.LittleEndian.Uint32(b[i+size-4:i+size:i+size]) != last {
		return s.fail(i, "a value should begin")
	}
	return i + size
}

// isSpace tells JSON's blanks.
func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// skipSpace returns the index of the first byte from b[i] that is no blank, at
// most the end of the record.
func skipSpace(b []byte, i int) int {
	for i < len(b)-padding && isSpace(b[i]) {
		i++
	}
	return i
}

// fail notes what should have been at b[i], and returns -1. It stays out of its
// callers, which are hot.
//
//go:noinline
func (s *scan) fail(i int, problem string) int {
	s.failedAt, s.reason, s.problem = i, "json", problem
	return -1
}

func (s *scan) failUTF8(i int, b []byte) int {
	s.failedAt, s.reason = i, "utf8"
	s.problem = "byte 0x" + strconv.FormatUint(uint64(b[i]), 16) + " is not valid UTF-8"
	return -1
}

func (s *scan) tooDeep(i int) int {
	s.failedAt, s.reason = i, "depth"
	s.problem = "more than " + strconv.Itoa(s.maxDepth) + " objects and arrays lie in each other"
	return -1
}

// failure says what went wrong in the record of view b. Bytes count from 0.
func (s *scan) failure(b []byte) (reason, text string) {
	switch {
	case s.reason != "json":
		text = fmt.Sprintf("%s at byte %d", s.problem, s.failedAt)
	case s.failedAt >= len(b)-padding:
		text = fmt.Sprintf("the record ends at byte %d, %s", len(b)-padding, s.problem)
	default:
		c, _ := utf8.DecodeRune(b[s.failedAt:])
		text = fmt.Sprintf("invalid character %q at byte %d, %s", c, s.failedAt, s.problem)
	}
	return s.reason, text
}
