package state

import (
	"iter"
	"slices"
)

// OpKind says what an operation does.
type OpKind uint8

// The kinds of an operation.
const (
	// Set gives a key a value.
	Set OpKind = iota
	// Delete removes a key, which need not be there.
	Delete
	// DeleteRange removes all keys from Key (inclusive) to Value (exclusive).
	DeleteRange
)

// Op is one operation of a batch. Its slices belong to the batch.
type Op struct {
	Kind       OpKind
	Key, Value []byte
}

// Batch is a list of operations. The zero Batch is empty and ready. It keeps
// what it is given in chunks of its own, so that large ones never move.
type Batch struct {
	chunks []chunk
	used   int // chunks in use
	len    int
	size   int
}

// chunk is a run of operations: their keys and values, back to back, in data.
type chunk struct {
	data []byte
	ops  []span
}

// span is an operation's place: the key and then the value.
type span struct {
	kind     OpKind
	at       uint32
	key, val uint32
}

// chunkBytes is the size of a chunk, unless one operation is larger, chunkOps
// how many operations it has at most.
const (
	chunkBytes = 256 << 10
	chunkOps   = 8 << 10
)

// Set gives a key a value.
func (b *Batch) Set(key, value []byte) { b.add(Set, key, value) }

// Delete removes a key.
func (b *Batch) Delete(key []byte) { b.add(Delete, key, nil) }

// DeleteRange removes the keys from one (inclusive) to another (exclusive).
func (b *Batch) DeleteRange(from, to []byte) { b.add(DeleteRange, from, to) }

func (b *Batch) add(kind OpKind, key, value []byte) {
	c := b.room(len(key) + len(value))
	c.ops = append(c.ops, span{kind, uint32(len(c.data)), uint32(len(key)), uint32(len(value))})
	c.data = append(append(c.data, key...), value...)
	b.len++
	b.size += len(key) + len(value)
}

// room returns a chunk that has room for n bytes.
func (b *Batch) room(n int) *chunk {
	if b.used > 0 {
		if c := &b.chunks[b.used-1]; cap(c.data)-len(c.data) >= n && len(c.ops) < chunkOps {
			return c
		}
	}
	if b.used == len(b.chunks) || cap(b.chunks[b.used].data) < n {
		b.chunks = append(b.chunks[:b.used], chunk{data: make([]byte, 0, max(n, chunkBytes))})
	}
	b.used++
	return &b.chunks[b.used-1]
}

// Len is the number of operations.
func (b *Batch) Len() int { return b.len }

// Size is the bytes of all keys and values.
func (b *Batch) Size() int { return b.size }

// All lists the operations in their order.
func (b *Batch) All() iter.Seq[Op] {
	return func(yield func(Op) bool) {
		for i := range b.chunks[:b.used] {
			c := &b.chunks[i]
			for _, s := range c.ops {
				data := c.data[s.at : s.at+s.key+s.val : s.at+s.key+s.val]
				if !yield(Op{s.kind, data[:s.key:s.key], data[s.key:]}) {
					return
				}
			}
		}
	}
}

// Reset empties the batch and keeps its memory for the next one, but for what
// only a batch out of the ordinary needs.
func (b *Batch) Reset() {
	const keep = 64 // chunks
	b.chunks = slices.DeleteFunc(b.chunks, func(c chunk) bool { return cap(c.data) > chunkBytes })
	if len(b.chunks) > keep {
		b.chunks = slices.Clone(b.chunks[:keep])
	}
	for i := range b.chunks {
		c := &b.chunks[i]
		c.data, c.ops = c.data[:0], c.ops[:0]
	}
	b.len, b.size, b.used = 0, 0, 0
}
