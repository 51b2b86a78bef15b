package expr

import (
	"bytes"
	"regexp"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/llm-optimizer/processor/event"
)

// plus is x + y where both may be numbers or strings.
type plus struct{ arithmetic }

func (p *plus) compute(b *event.Batch, rows []int32, out *event.Column) {
	x, y := p.x.load(b, rows), p.y.load(b, rows)
	calculate(opAdd, x.Num, y.Num, out.Num, rows)
	for _, r := range rows {
		if x.Kind[r] == event.String && y.Kind[r] == event.String {
			out.Num[r] = 0
			out.Kind[r] = join(b, x, y, r, out)
			continue
		}
		out.Kind[r] = numberKind(x.Kind[r], y.Kind[r], &out.Num[r])
		if len(out.Str) > 0 {
			out.Str[r] = event.Ref{}
		}
	}
}

// concat is x + y where one is a string if it is anything.
type concat struct{ x, y operand }

func (c *concat) compute(b *event.Batch, rows []int32, out *event.Column) {
	x, y := c.x.load(b, rows), c.y.load(b, rows)
	for _, r := range rows {
		if x.Kind[r] == event.String && y.Kind[r] == event.String {
			out.Kind[r] = join(b, x, y, r, out)
			continue
		}
		out.Kind[r] = wrongKind(x.Kind[r], y.Kind[r])
		if len(out.Str) > 0 {
			out.Str[r] = event.Ref{}
		}
	}
}

// wrongKind is the kind of a function of strings that are not all strings.
func wrongKind(x, y event.Kind) event.Kind {
	if x == event.Null || y == event.Null {
		return event.Null
	}
	return event.Invalid
}

// join writes the text of x and y behind each other, where out takes text.
func join(b *event.Batch, x, y *event.Column, r int32, out *event.Column) event.Kind {
	if len(out.Str) == 0 {
		return event.String
	}
	left, right := b.Bytes(x.Str[r]), b.Bytes(y.Str[r])
	if !hasRoom(b, len(left)+len(right)) {
		out.Str[r] = event.Ref{}
		return event.Invalid
	}
	from := len(b.Extra)
	b.Extra = append(append(b.Extra, left...), right...)
	out.Str[r] = b.ExtraFrom(from)
	return event.String
}

// hasRoom reports whether n more bytes can be reached in Extra.
func hasRoom(b *event.Batch, n int) bool { return n < event.MaxBatchBytes-len(b.Extra) }

// letters is lower(x), or upper(x).
type letters struct {
	upper bool
	x     operand
}

func (l *letters) compute(b *event.Batch, rows []int32, out *event.Column) {
	x := l.x.load(b, rows)
	for _, r := range rows {
		if x.Kind[r] != event.String {
			out.Kind[r], out.Str[r] = wrongKind(x.Kind[r], x.Kind[r]), event.Ref{}
			continue
		}
		out.Kind[r], out.Str[r] = l.convert(b, x.Str[r])
	}
}

// convert leaves text that is as it should be where it is.
func (l *letters) convert(b *event.Batch, ref event.Ref) (event.Kind, event.Ref) {
	text := b.Bytes(ref)
	done := 0
	for done < len(text) && l.isDone(text[done]) {
		done++
	}
	if done == len(text) {
		return event.String, ref
	}
	// A letter's other case takes at most 3 bytes where it took 2.
	if !hasRoom(b, 2*len(text)) {
		return event.Invalid, event.Ref{}
	}
	from := len(b.Extra)
	b.Extra = l.appendRest(append(b.Extra, text[:done]...), text[done:])
	return event.String, b.ExtraFrom(from)
}

// appendRest appends text in the other case, ASCII byte by byte.
func (l *letters) appendRest(out, text []byte) []byte {
	first := byte('A')
	if l.upper {
		first = 'a'
	}
	for i, c := range text {
		if c >= utf8.RuneSelf {
			return l.appendRunes(out, text[i:])
		}
		if c-first < 26 {
			c ^= 'a' - 'A'
		}
		out = append(out, c)
	}
	return out
}

func (l *letters) appendRunes(out, text []byte) []byte {
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		text = text[n:]
		if l.upper {
			c = unicode.ToUpper(c)
		} else {
			c = unicode.ToLower(c)
		}
		out = utf8.AppendRune(out, c)
	}
	return out
}

// isDone reports whether a byte is ASCII and has no other case to go to.
func (l *letters) isDone(c byte) bool {
	if l.upper {
		return c < utf8.RuneSelf && (c < 'a' || c > 'z')
	}
	return c < utf8.RuneSelf && (c < 'A' || c > 'Z')
}

// length is len(x), in characters.
type length struct{ x operand }

func (l *length) compute(b *event.Batch, rows []int32, out *event.Column) {
	x := l.x.load(b, rows)
	for _, r := range rows {
		if x.Kind[r] == event.String {
			out.Kind[r], out.Num[r] = event.Number, float64(utf8.RuneCount(b.Bytes(x.Str[r])))
			continue
		}
		out.Kind[r], out.Num[r] = wrongKind(x.Kind[r], x.Kind[r]), 0
	}
}

// search is x contains y, startsWith or endsWith.
type search struct {
	op   op
	x, y operand
}

func (f *search) keep(b *event.Batch, rows, dst []int32) []int32 {
	x, y := f.x.load(b, rows), f.y.load(b, rows)
	dst, k := room(dst, rows)
	for _, r := range rows {
		dst[k] = r
		if x.Kind[r] == event.String && y.Kind[r] == event.String {
			k += bit(f.found(b.Bytes(x.Str[r]), b.Bytes(y.Str[r])))
		}
	}
	return dst[:k]
}

func (f *search) found(x, y []byte) bool {
	switch f.op {
	case opStartsWith:
		return bytes.HasPrefix(x, y)
	case opEndsWith:
		return bytes.HasSuffix(x, y)
	default:
		return bytes.Contains(x, y)
	}
}

// pattern is x matches "literal".
type pattern struct {
	x  operand
	re *regexp.Regexp
}

func (f *pattern) keep(b *event.Batch, rows, dst []int32) []int32 {
	x := f.x.load(b, rows)
	dst, k := room(dst, rows)
	for _, r := range rows {
		dst[k] = r
		k += bit(x.Kind[r] == event.String && f.re.Match(b.Bytes(x.Str[r])))
	}
	return dst[:k]
}

// member is x in [literals].
type member struct {
	x        operand
	bools    [event.True + 1]bool
	numbers  []float64 // ascending
	integers []string
	texts    []string
	wide     map[string]struct{} // the texts again
}

// fewTexts is how many texts are compared one by one rather than looked up.
const fewTexts = 8

func (f *member) keep(b *event.Batch, rows, dst []int32) []int32 {
	x := f.x.load(b, rows)
	dst, k := room(dst, rows)
	for _, r := range rows {
		dst[k] = r
		k += bit(f.holds(b, x, r))
	}
	return dst[:k]
}

func (f *member) holds(b *event.Batch, x *event.Column, r int32) bool {
	switch kind := x.Kind[r]; kind {
	case event.False, event.True:
		return f.bools[kind]
	case event.Number:
		if len(f.numbers) == 0 {
			return false
		}
		_, found := slices.BinarySearch(f.numbers, x.Num[r])
		return found
	case event.Integer:
		return len(f.integers) > 0 && contains(f.integers, b.Bytes(x.Str[r]))
	case event.String:
		switch {
		case len(f.texts) == 0:
			return false
		case len(f.texts) <= fewTexts:
			return contains(f.texts, b.Bytes(x.Str[r]))
		}
		_, found := f.wide[string(b.Bytes(x.Str[r]))]
		return found
	default:
		return false
	}
}

func contains(texts []string, text []byte) bool {
	for _, t := range texts {
		if t == string(text) {
			return true
		}
	}
	return false
}
