package aggregate

import "math/bits"

// arena holds the parts of accumulators that vary in size, as blocks in a few
// large chunks. Freed blocks are kept by size class and used again, so that a
// warm arena allocates nothing. T has no pointers. The zero arena is empty and
// ready.
type arena[T any] struct {
	chunks [][]T
	// cur and pos are where carving goes on: chunks[cur][pos:] is unused, and
	// so are the chunks after it.
	cur, pos int
	free     [sizeClasses][]uint32
}

// A ref names a block by its chunk and its place there in units. No block has
// the ref 0.
const (
	unitShift      = 2
	unit           = 1 << unitShift
	chunkUnitShift = 14
	chunkUnitMask  = 1<<chunkUnitShift - 1
	maxChunk       = unit << chunkUnitShift
	minChunk       = 64 * unit
	// sizeClasses reach far beyond the longest record.
	sizeClasses = 60
)

// class is a size of blocks. Sizes grow by a half and a third in turn: 4, 8,
// 12, 16, 24, 32, 48, 64, ... elements.
type class uint8

// classOf is the least class whose blocks have n elements.
func classOf(n int) class {
	units := (n + unit - 1) >> unitShift
	if units <= 1 {
		return 0
	}
	b := bits.Len(uint(units - 1))
	if b >= 2 && 3<<(b-2) >= units {
		return class(2*b - 2)
	}
	return class(2*b - 1)
}

// size is the number of elements of a class's blocks.
func (c class) size() int {
	switch {
	case c == 0:
		return unit
	case c&1 == 1:
		return unit << ((c + 1) / 2)
	default:
		return 3 * unit << (c/2 - 1)
	}
}

// grown is the class for what has outgrown one: twice as large, or three times
// from the least. Smaller steps would leave more behind: many accumulators grow
// at the same time, and what they leave serves only new ones.
func (c class) grown() class { return c + 2 }

// at returns the first n elements of a block.
func (a *arena[T]) at(ref uint32, n int) []T {
	base := int(ref&chunkUnitMask) << unitShift
	return a.chunks[ref>>chunkUnitShift][base : base+n : base+n]
}

// alloc returns a block of zeros.
func (a *arena[T]) alloc(c class) uint32 {
	ref, ok := a.reuse(c)
	if !ok {
		ref = a.carve(c)
	}
	clear(a.at(ref, c.size()))
	return ref
}

// release gives a block back.
func (a *arena[T]) release(ref uint32, c class) { a.free[c] = append(a.free[c], ref) }

// reset gives all blocks back at once and keeps the chunks.
func (a *arena[T]) reset() {
	a.cur, a.pos = 0, 0
	if len(a.chunks) > 0 {
		a.pos = unit
	}
	for i := range a.free {
		a.free[i] = a.free[i][:0]
	}
}

// bytes is the memory held, for a T of the given size.
func (a *arena[T]) bytes(size int) int {
	total := 0
	for _, c := range a.chunks {
		total += len(c) * size
	}
	for i := range a.free {
		total += cap(a.free[i]) * 4
	}
	return total
}

// reuse takes a block off the free list of its class.
func (a *arena[T]) reuse(c class) (uint32, bool) {
	list := a.free[c]
	if len(list) == 0 {
		return 0, false
	}
	ref := list[len(list)-1]
	a.free[c] = list[:len(list)-1]
	return ref, true
}

// carve cuts a new block, from the current chunk if it has room, else from a
// larger free block, else from the next chunk.
func (a *arena[T]) carve(c class) uint32 {
	size := c.size()
	for {
		if a.cur < len(a.chunks) && a.room() >= size {
			return a.cut(size)
		}
		if ref, ok := a.split(c); ok {
			return ref
		}
		a.next(size)
	}
}

// room is how many elements the current chunk has left. Places beyond
// maxChunk have no ref, so what is longer lies at a chunk's start.
func (a *arena[T]) room() int {
	n := len(a.chunks[a.cur])
	if a.pos > unit {
		n = min(n, maxChunk)
	}
	return max(n-a.pos, 0)
}

func (a *arena[T]) cut(size int) uint32 {
	ref := uint32(a.cur)<<chunkUnitShift | uint32(a.pos>>unitShift)
	a.pos += size
	return ref
}

// split takes a larger free block apart: its start is returned, the rest goes
// to the free lists.
func (a *arena[T]) split(c class) (uint32, bool) {
	for larger := c + 1; larger.size() < maxChunk; larger++ {
		if ref, ok := a.reuse(larger); ok {
			used := c.size()
			a.keep(ref+uint32(used>>unitShift), larger.size()-used)
			return ref, true
		}
	}
	return 0, false
}

// keep puts a run of elements on the free lists, largest pieces first.
func (a *arena[T]) keep(ref uint32, n int) {
	for n >= unit {
		c := classOf(n)
		if c.size() > n {
			c--
		}
		a.release(ref, c)
		ref += uint32(c.size() >> unitShift)
		n -= c.size()
	}
}

// next leaves the current chunk and goes to the next one, which is made, large
// enough for size, when there is none.
func (a *arena[T]) next(size int) {
	if a.cur < len(a.chunks) {
		n := min(len(a.chunks[a.cur]), maxChunk) - a.pos
		a.keep(uint32(a.cur)<<chunkUnitShift|uint32(a.pos>>unitShift), n)
		a.cur++
	}
	a.pos = 0
	if a.cur == len(a.chunks) {
		n := min(minChunk<<min(len(a.chunks), 16), maxChunk)
		if a.cur == 0 {
			a.pos = unit // ref 0 stays unused
			size += unit
		}
		a.chunks = append(a.chunks, make([]T, max(n, size)))
	}
}
