package decode

import (
	"github.com/llm-optimizer/processor/event"
)

// object reads the object at b[i], whose place in the tree is n, and returns
// the index behind it, or -1 after a failure.
func (d *Decoder) object(b []byte, i int, n *node, depth int) int {
	if depth > d.maxDepth {
		return d.tooDeep(i)
	}
	i++
	if b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	if b[i] == '}' {
		return i + 1
	}
	prev := &n.keys.first
	for {
		e := prev.next
		if e != nil && e.at(b, i) {
			i += e.size
		} else if e, i = d.key(b, i, n, prev); i < 0 {
			return -1
		}
		prev = e
		if b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		switch {
		case e.child != nil:
			i = d.value(b, i, e.child, depth)
		case b[i] == '"':
			i, _ = d.text(b, i+1)
		default:
			i = d.skip(b, i, depth)
		}
		if i < 0 {
			return -1
		}
		if b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if b[i] != ',' {
			break
		}
		i++
		if b[i] <= ' ' {
			i = skipSpace(b, i)
		}
	}
	if b[i] != '}' {
		return d.fail(i, "',' or '}' should follow the value")
	}
	return i + 1
}

// value reads the value at b[i] into the columns of n and of the nodes below.
func (d *Decoder) value(b []byte, i int, n *node, depth int) int {
	if n.seen == d.serial {
		d.forget(n) // a duplicate key: the last one wins
	}
	n.seen, n.null = d.serial, false
	start, kind := i, event.Null
	switch b[i] {
	case '"':
		var escaped bool
		if i, escaped = d.text(b, i+1); i < 0 {
			return -1
		}
		kind = event.String
		d.setString(n, b, start+1, i-1, escaped)
	case '{':
		if n.kids != nil {
			i = d.object(b, i, n, depth+1)
		} else {
			i = d.skip(b, i, depth)
		}
		kind = event.Composite
	case '[':
		i = d.skip(b, i, depth)
		kind = event.Composite
	case 't':
		i = d.word(b, i, 4, lastOfTrue)
		kind = event.True
	case 'f':
		i = d.word(b, i, 5, lastOfFalse)
		kind = event.False
	case 'n':
		i = d.word(b, i, 4, lastOfNull)
		n.null = true
	default:
		var m uint64
		var frac int
		if i, m, frac = d.number(b, i); i < 0 {
			return -1
		}
		kind = event.Number
		d.setNumber(n, b, start, i, m, frac)
	}
	if i < 0 {
		return -1
	}
	switch kind {
	case event.True, event.False, event.Composite:
		d.setOther(n, kind, start, i)
	}
	if n.marks != 0 {
		d.note(n, b, start, i, kind)
	}
	return i
}

// forget undoes what an earlier duplicate of n's key stored.
func (d *Decoder) forget(n *node) {
	for _, s := range n.slots {
		if !s.guard.blocked(d.serial) {
			d.setNull(s.col)
		}
	}
	if n.marks&markTime != 0 && !n.guard.blocked(d.serial) {
		d.found.time, d.found.timeStatus = 0, timeMissing
	}
	for _, k := range n.kids {
		d.forget(k)
	}
}

// ref is the Ref of a range of the view.
func (d *Decoder) ref(start, end int) event.Ref {
	return event.Ref{Off: d.base + uint32(start), Len: uint32(end - start)}
}

func (d *Decoder) setString(n *node, b []byte, start, end int, escaped bool) {
	for k := range n.slots {
		s := &n.slots[k]
		if s.guard != nil && s.guard.blocked(d.serial) {
			continue
		}
		c := &d.cols[s.col]
		c.Kind[d.row] = event.String
		if d.row >= len(c.Str) {
			continue
		}
		if escaped {
			c.Str[d.row] = d.unescaped(b[start:end])
		} else {
			c.Str[d.row] = d.ref(start, end)
		}
	}
}

func (d *Decoder) unescaped(text []byte) event.Ref {
	off := len(d.batch.Extra)
	d.batch.Extra = unescape(d.batch.Extra, text)
	return d.batch.ExtraFrom(off)
}

// setNumber stores the number b[start:end] that scan.number read as m and frac.
func (d *Decoder) setNumber(n *node, b []byte, start, end int, m uint64, frac int) {
	if len(n.slots) == 0 {
		return
	}
	var v number
	if frac >= 0 && m <= maxExact {
		v.kind, v.float = event.Number, float64(m)
		if frac > 0 {
			v.float /= floatPow10[frac]
		}
		if b[start] == '-' {
			v.float = -v.float
		}
	} else {
		v = readNumber(b[start:end], m, frac)
		d.found.overflow = d.found.overflow || v.kind == event.Invalid
	}
	for k := range n.slots {
		s := &n.slots[k]
		if s.guard != nil && s.guard.blocked(d.serial) {
			continue
		}
		c := &d.cols[s.col]
		c.Kind[d.row] = v.kind
		if d.row < len(c.Num) {
			c.Num[d.row] = v.float
		}
		if v.kind == event.Integer && d.row < len(c.Str) {
			c.Str[d.row] = d.digits(v, start, end, b)
		}
	}
}

// digits is the text of an Integer, in Extra where the literal is not it.
func (d *Decoder) digits(v number, start, end int, b []byte) event.Ref {
	var buf [24]byte
	canonical := v.appendDigits(buf[:0])
	if string(canonical) == string(b[start:end]) {
		return d.ref(start, end)
	}
	return d.batch.AddExtra(canonical)
}

func (d *Decoder) setOther(n *node, kind event.Kind, start, end int) {
	for k := range n.slots {
		s := &n.slots[k]
		if s.guard.blocked(d.serial) {
			continue
		}
		c := &d.cols[s.col]
		c.Kind[d.row] = kind
		if kind == event.Composite && d.row < len(c.Str) {
			c.Str[d.row] = d.ref(start, end)
		}
	}
}

// note keeps what a marked node tells beside its columns.
func (d *Decoder) note(n *node, b []byte, start, end int, kind event.Kind) {
	if n.marks&markTime != 0 && !n.guard.blocked(d.serial) {
		d.readTime(b, start, end, kind)
	}
	if n.marks&^markTime == 0 {
		return
	}
	at := span{start, end}
	if kind == event.Null {
		at = span{}
	}
	if n.marks&markSpec != 0 {
		d.found.cloud = kind != event.Null
	}
	if n.marks&markData != 0 {
		d.found.data = at
	}
	if n.marks&markData64 != 0 {
		d.found.data64 = at
	}
	if n.marks&markEventTime != 0 {
		d.found.eventTime = at
	}
}
