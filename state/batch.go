package state

import "iter"

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
	ops    []span
	chunks [][]byte
	used   int // chunks in use
	size   int
}

// span is an operation's place: the key and then the value, in one chunk.
type span struct {
	kind     OpKind
	chunk    uint32
	at       uint32
	key, val uint32
}

// chunkBytes is the size of a chunk, unless one operation is larger.
const chunkBytes = 256 << 10

// Set gives a key a value.
func (b *Batch) Set(key, value []byte) { b.add(Set, key, value) }

// Delete removes a key.
func (b *Batch) Delete(key []byte) { b.add(Delete, key, nil) }

// DeleteRange removes the keys from one (inclusive) to another (exclusive).
func (b *Batch) DeleteRange(from, to []byte) { b.add(DeleteRange, from, to) }

func (b *Batch) add(kind OpKind, key, value []byte) {
	c := b.room(len(key) + len(value))
	at := len(b.chunks[c])
	b.chunks[c] = append(append(b.chunks[c], key...), value...)
	b.ops = append(b.ops, span{kind, uint32(c), uint32(at), uint32(len(key)), uint32(len(value))})
	b.size += len(key) + len(value)
}

// room returns the number of a chunk that has room for n bytes.
func (b *Batch) room(n int) int {
	if c := b.used - 1; c >= 0 && cap(b.chunks[c])-len(b.chunks[c]) >= n {
		return c
	}
	if b.used < len(b.chunks) && cap(b.chunks[b.used]) >= n {
		b.used++
		return b.used - 1
	}
	b.chunks = append(b.chunks[:b.used], make([]byte, 0, max(n, chunkBytes)))
	b.used++
	return b.used - 1
}

// Len is the number of operations.
func (b *Batch) Len() int { return len(b.ops) }

// Size is the bytes of all keys and values.
func (b *Batch) Size() int { return b.size }

// All lists the operations in their order.
func (b *Batch) All() iter.Seq[Op] {
	return func(yield func(Op) bool) {
		for _, s := range b.ops {
			data := b.chunks[s.chunk][s.at : s.at+s.key+s.val : s.at+s.key+s.val]
			if !yield(Op{s.kind, data[:s.key:s.key], data[s.key:]}) {
				return
			}
		}
	}
}

// Reset empties the batch and keeps its memory for the next one, but for what
// only a batch out of the ordinary needs.
func (b *Batch) Reset() {
	const keepBytes, keepOps = 64 * chunkBytes, 1 << 19
	b.ops, b.size, b.used = b.ops[:0], 0, 0
	if cap(b.ops) > keepOps {
		b.ops = nil
	}
	kept, held := 0, 0
	for kept < len(b.chunks) && held+cap(b.chunks[kept]) <= keepBytes {
		held += cap(b.chunks[kept])
		b.chunks[kept] = b.chunks[kept][:0]
		kept++
	}
	clear(b.chunks[kept:])
	b.chunks = b.chunks[:kept]
}
