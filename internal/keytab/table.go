// Package keytab numbers grouping keys: a hash table from an encoded key and
// a pane to a dense number, counting from 0 in the order of insertion.
package keytab

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// seed is new in every process, so that nobody can prepare keys that collide.
var seed = maphash.MakeSeed()

// Hash hashes an encoded key. It differs from process to process.
func Hash(key []byte) uint64 { return maphash.Bytes(seed, key) }

// Shard is the shard of n that owns a key's hash. It uses other bits than the
// tables do.
func Shard(hash uint64, n int) int {
	hi, _ := bits.Mul64(hash, uint64(n))
	return int(hi)
}

// Table numbers (key, pane) pairs. The zero Table is empty and ready. Entries
// cannot be removed one by one; Clear removes all and keeps the memory.
type Table struct {
	index   []uint32 // open addressing: 0 is free, else number+1
	mask    uint32
	entries []entry
	keys    []byte
}

type entry struct {
	hash uint64
	pane int64
	off  uint32
	len  uint32
}

// maxKeys bounds the bytes of all keys in a table, which entries address by 32
// bits.
const maxKeys = 1 << 32

// Len is the number of entries.
func (t *Table) Len() int { return len(t.entries) }

// Hash is the hash of entry i.
func (t *Table) Hash(i int) uint64 { return t.entries[i].hash }

// Pane is the pane of entry i.
func (t *Table) Pane(i int) int64 { return t.entries[i].pane }

// Key is the encoded key of entry i; valid until Clear.
func (t *Table) Key(i int) []byte {
	e := &t.entries[i]
	return t.keys[e.off : e.off+e.len : e.off+e.len]
}

// Find returns the number of (key, pane), or -1.
func (t *Table) Find(hash uint64, pane int64, key []byte) int {
	if len(t.index) == 0 {
		return -1
	}
	for at := t.home(hash, pane); ; at = (at + 1) & t.mask {
		i := t.index[at]
		if i == 0 {
			return -1
		}
		if t.is(int(i-1), hash, pane, key) {
			return int(i - 1)
		}
	}
}

// Put returns the number of (key, pane), which is new if it was not there.
func (t *Table) Put(hash uint64, pane int64, key []byte) (number int, isNew bool) {
	if 4*(len(t.entries)+1) > 3*len(t.index) {
		t.grow()
	}
	at := t.home(hash, pane)
	for ; ; at = (at + 1) & t.mask {
		i := t.index[at]
		if i == 0 {
			break
		}
		if t.is(int(i-1), hash, pane, key) {
			return int(i - 1), false
		}
	}
	if len(t.keys)+len(key) >= maxKeys {
		panic("keytab: keys of one table exceed 4 GiB")
	}
	t.entries = append(t.entries, entry{hash: hash, pane: pane, off: uint32(len(t.keys)), len: uint32(len(key))})
	t.keys = append(t.keys, key...)
	t.index[at] = uint32(len(t.entries))
	return len(t.entries) - 1, true
}

// Clear removes all entries.
func (t *Table) Clear() {
	clear(t.index)
	t.entries, t.keys = t.entries[:0], t.keys[:0]
}

// Bytes is the memory held.
func (t *Table) Bytes() int { return 4*cap(t.index) + 24*cap(t.entries) + cap(t.keys) }

func (t *Table) home(hash uint64, pane int64) uint32 {
	x := hash ^ uint64(pane)*0x9e3779b97f4a7c15
	return uint32(x^x>>32) & t.mask // panes are multiples of powers of ten: their low bits say little
}

func (t *Table) is(i int, hash uint64, pane int64, key []byte) bool {
	e := &t.entries[i]
	if e.hash != hash || e.pane != pane || int(e.len) != len(key) {
		return false
	}
	return equal(t.keys[e.off:e.off+e.len], key)
}

// equal is bytes.Equal without a call for the short keys that are the rule.
func equal(a, b []byte) bool {
	if len(a) > 32 {
		return bytes.Equal(a, b)
	}
	b = b[:len(a)]
	for len(a) >= 8 {
		if binary.LittleEndian.Uint64(a) != binary.LittleEndian.Uint64(b) {
			return false
		}
		a, b = a[8:], b[8:]
	}
	for i, c := range a {
		if c != b[i] {
			return false
		}
	}
	return true
}

func (t *Table) grow() {
	n := max(8, 2*len(t.index))
	if cap(t.index) >= n {
		t.index = t.index[:n]
		clear(t.index)
	} else {
		t.index = make([]uint32, n)
	}
	t.mask = uint32(n - 1)
	for i := range t.entries {
		e := &t.entries[i]
		at := t.home(e.hash, e.pane)
		for t.index[at] != 0 {
			at = (at + 1) & t.mask
		}
		t.index[at] = uint32(i + 1)
	}
}
