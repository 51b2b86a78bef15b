package decode

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Eight bytes are judged in one word, a byte by its high bit; the lowest one
// set is true, those above it may be carried over.
const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

// special marks the first byte of w that is a quote, a backslash, a control
// character or not ASCII: of the last, one of the first two terms keeps the
// high bit.
func special(w uint64) uint64 {
	return (((w ^ low*'"') - low) | ((w ^ low*'\\') - low) | (w - low*' ')) & high
}

// specialASCII is special without the bytes beyond ASCII.
func specialASCII(w uint64) uint64 {
	q, s := w^low*'"', w^low*'\\'
	return (((q - low) &^ q) | ((s - low) &^ s) | ((w - low*' ') &^ w)) & high
}

// text returns the index behind the closing quote of the string whose text
// begins at b[i], and whether it has escapes; -1 after a failure.
func (s *scan) text(b []byte, i int) (int, bool) {
	start := i
	m := special(load(b, i))
	for m == 0 {
		i += 8
		m = special(load(b, i))
	}
	i += bits.TrailingZeros64(m) >> 3
	if b[i] == '"' {
		return i + 1, false
	}
	return s.textRest(b, start, i)
}

// textRest goes on at b[i] in a string with escapes or bytes beyond ASCII.
func (s *scan) textRest(b []byte, start, i int) (int, bool) {
	escaped, all := false, uint64(0)
	for {
		w := load(b, i)
		all |= w
		m := specialASCII(w)
		if m == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(m) >> 3
		switch b[i] {
		case '"':
			if all&high != 0 && !utf8.Valid(b[start:i]) {
				return s.failUTF8(start+invalidAt(b[start:i]), b), false
			}
			return i + 1, escaped
		case '\\':
			escaped = true
			if i = s.escape(b, i); i < 0 {
				return -1, false
			}
		default:
			return s.fail(i, "a string should go on or end, control characters need an escape"), false
		}
	}
}

// escape returns the index behind the escape at b[i].
func (s *scan) escape(b []byte, i int) int {
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for k := i + 2; k < i+6; k++ {
			if hexValue(b[k]) < 0 {
				return s.fail(k, "four hexadecimal digits should follow \\u")
			}
		}
		return i + 6
	}
	return s.fail(i+1, "one of \"\\/bfnrtu should follow the backslash")
}

// invalidAt returns the index of the first byte that is not UTF-8.
func invalidAt(b []byte) int {
	i := 0
	for i < len(b) {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		i += size
	}
	return i
}

// unescape appends the text of a valid string without its escapes. Half a
// surrogate pair becomes U+FFFD, as everywhere in Go.
func unescape(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		c = text[i+1]
		i += 2
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hexRune(text[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				r, i = pair(r, text, i)
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// pair joins the surrogate r with the escape at text[i], if that is its half.
func pair(r rune, text []byte, i int) (rune, int) {
	if i+6 <= len(text) && text[i] == '\\' && text[i+1] == 'u' {
		if both := utf16.DecodeRune(r, hexRune(text[i+2:])); both != utf8.RuneError {
			return both, i + 6
		}
	}
	return utf8.RuneError, i
}

// hexRune returns the value of four hexadecimal digits.
func hexRune(b []byte) rune {
	return rune(hexValue(b[0])<<12 | hexValue(b[1])<<8 | hexValue(b[2])<<4 | hexValue(b[3]))
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
