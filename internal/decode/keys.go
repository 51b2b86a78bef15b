package decode

import (
	"encoding/binary"
)

// keys is what the objects at one place of the events have taught: the names
// seen there, and which followed which.
type keys struct {
	// first stands before the first key of an object.
	first entry
	known map[string]*entry
}

// entry is one known key, kept as it stands in the records: `"model":`. A
// comparison with its first and its last eight bytes decides; what lies
// between, in longer keys, is compared last.
type entry struct {
	child      *node // nil: the value is not wanted
	head, tail uint64
	headMask   uint64
	tailMask   uint64
	tailAt     int
	size       int
	middle     string
	// next is the key that last followed this one, other the one before that:
	// streams repeat their order, but for fields that come and go.
	next, other *entry
}

// Keys beyond these bounds are looked up each time: streams with names made up
// at random must not eat the memory.
const (
	maxKnownKeys = 256
	maxKnownSize = 64
)

// load returns the eight bytes at b[i]. The padding of a view lets it be asked
// anywhere in the record. Of a slice with a fixed capacity the compiler knows
// that it is not empty, which saves the code that keeps its pointer in bounds.
func load(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i : i+8 : i+8]) }

// at reports whether the key and its colon stand at b[i].
func (e *entry) at(b []byte, i int) bool {
	return load(b, i)&e.headMask == e.head && i+e.size <= len(b) &&
		load(b, i+e.tailAt)&e.tailMask == e.tail &&
		(e.middle == "" || string(b[i+8:i+e.tailAt]) == e.middle)
}

func newEntry(name []byte, child *node) *entry {
	text := append(append([]byte{'"'}, name...), '"', ':')
	e := &entry{child: child, size: len(text), headMask: ^uint64(0), tailMask: ^uint64(0)}
	if e.size <= 8 {
		e.headMask >>= 64 - 8*e.size
		e.tailMask = 0
		e.head = load(append(text, make([]byte, 8)...), 0) & e.headMask
		return e
	}
	e.tailAt = e.size - 8
	e.head, e.tail = load(text, 0), load(text, e.tailAt)
	if e.tailAt > 8 {
		e.middle = string(text[8:e.tailAt])
	}
	return e
}

// key reads the key and colon at b[i] when they are not the expected ones. It
// returns the key's entry, which tells what to expect next time, and the index
// behind the colon, or -1 after a failure.
func (d *Decoder) key(b []byte, i int, n *node, prev *entry) (*entry, int) {
	if e := prev.other; e != nil && e.at(b, i) {
		prev.next, prev.other = e, prev.next
		return e, i + e.size
	}
	if b[i] != '"' {
		return nil, d.fail(i, "a key in quotes should begin")
	}
	end, escaped := d.text(b, i+1)
	if end < 0 {
		return nil, -1
	}
	name := b[i+1 : end-1]
	if b[end] <= ' ' {
		end = skipSpace(b, end)
	}
	if b[end] != ':' {
		return nil, d.fail(end, "':' should follow the key")
	}
	if escaped {
		d.scratch = unescape(d.scratch[:0], name)
		d.loose.child = n.kid(d.scratch)
		return &d.loose, end + 1
	}
	e := n.keys.find(name)
	if e == nil {
		e = n.keys.add(name, n.kid(name))
	}
	if e == nil {
		d.loose.child = n.kid(name)
		return &d.loose, end + 1
	}
	if prev != &d.loose && prev.next != e {
		prev.next, prev.other = e, prev.next
	}
	return e, end + 1
}

func (k *keys) find(name []byte) *entry { return k.known[string(name)] }

// add remembers a key; it returns nil when there is no more room.
func (k *keys) add(name []byte, child *node) *entry {
	if len(name) > maxKnownSize || len(k.known) >= maxKnownKeys {
		return nil
	}
	if k.known == nil {
		k.known = map[string]*entry{}
	}
	e := newEntry(name, child)
	k.known[string(name)] = e
	return e
}
