package source

import (
	"bytes"
	"context"
	"io"
	"slices"
)

const (
	// blockBytes is how much is read at once: large enough to make the cost
	// of a read(2) vanish, small enough to stay in a core's second cache.
	blockBytes = 256 << 10
	// defaultMaxRecord is the size of the largest record where none is given.
	defaultMaxRecord = 1 << 20
	// oversizeBytes is how much of a record beyond the limit is handed over.
	// It outweighs a byte order mark and a carriage return, which do not
	// count, so that the decoder sees that the record is too large.
	oversizeBytes = 64
)

// lineReader cuts a stream of bytes into chunks of whole lines. The bytes are
// read straight into the chunk; only the begun line at its end is copied, to
// stand at the front of the next one.
type lineReader struct {
	// max is the size of the largest record; of a larger one only the
	// beginning is handed over.
	max int
	// block is how much is read at once.
	block int
	// fill reads on until the chunk is full, for readers that give little at
	// a time but never wait.
	fill bool

	// pos is the position of tail[0] in the stream.
	pos int64
	// tail is what was read and not handed over: a line begun, or, after an
	// oversize line, anything.
	tail []byte
	// skipped counts the bytes thrown away of an oversize line, whose
	// beginning is in tail. It is 0 when there is none.
	skipped int64
	err     error
}

func newLineReader(maxRecord int, fill bool) *lineReader {
	if maxRecord <= 0 {
		maxRecord = defaultMaxRecord
	}
	return &lineReader{max: maxRecord, block: blockBytes, fill: fill}
}

// reset starts over at a position.
func (l *lineReader) reset(pos int64) {
	l.pos, l.tail, l.skipped, l.err = pos, l.tail[:0], 0, nil
}

// readPos is the position of the next byte to be read.
func (l *lineReader) readPos() int64 { return l.pos + int64(len(l.tail)) + l.skipped }

// next fills c with one line or more. An error of r, io.EOF too, is returned
// as it is once the whole lines before it have been handed over; what was
// begun stays, and next may be called again when r has more.
func (l *lineReader) next(ctx context.Context, r io.Reader, c *Chunk) error {
	if l.skipped > 0 {
		return l.skip(ctx, r, c)
	}
	buf := sized(c, max(l.block, 2*len(l.tail)))
	n := copy(buf, l.tail)
	searched, whole := 0, 0
	for {
		if i := bytes.LastIndexByte(buf[searched:n], '\n'); i >= 0 {
			whole = searched + i + 1
		}
		searched = n
		switch {
		case whole > 0 && (!l.fill || n == len(buf) || l.err != nil):
			l.handOver(c, buf[:whole], buf[whole:n])
			return nil //nolint:nilerr // the error waits until what was read before it is handed over
		case l.err != nil:
			l.keep(buf[:n])
			return l.takeErr()
		case whole == 0 && n > l.max+oversizeBytes:
			l.keep(buf[:l.max+oversizeBytes])
			l.skipped = int64(n - len(l.tail))
			return l.skip(ctx, r, c)
		case n == len(buf):
			c.Data = buf
			buf = sized(c, 2*n)
		}
		if err := ctx.Err(); err != nil {
			l.keep(buf[:n])
			return err
		}
		var m int
		m, l.err = r.Read(buf[n:])
		n += m
	}
}

// skip throws the rest of an oversize line away and hands its beginning over.
func (l *lineReader) skip(ctx context.Context, r io.Reader, c *Chunk) error {
	buf := sized(c, l.block)
	for l.err == nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		var m int
		m, l.err = r.Read(buf)
		if i := bytes.IndexByte(buf[:m], '\n'); i >= 0 {
			rest := slices.Clone(buf[i+1 : m])
			l.skipped += int64(i + 1)
			l.flush(c)
			l.keep(rest)
			return nil
		}
		l.skipped += int64(m)
	}
	return l.takeErr()
}

// flush hands over the line begun, as the last record of a stream. It reports
// whether there was one.
func (l *lineReader) flush(c *Chunk) bool {
	if len(l.tail) == 0 {
		return false
	}
	c.Data = append(c.Data[:0], l.tail...)
	c.Offset = l.pos
	l.pos = l.readPos()
	l.tail, l.skipped = l.tail[:0], 0
	c.Next = l.pos
	return true
}

func (l *lineReader) handOver(c *Chunk, whole, begun []byte) {
	c.Data = whole
	c.Offset = l.pos
	l.pos += int64(len(whole))
	c.Next = l.pos
	l.keep(begun)
}

func (l *lineReader) takeErr() error {
	err := l.err
	l.err = nil
	return err
}

func (l *lineReader) keep(begun []byte) { l.tail = append(l.tail[:0], begun...) }

// sized returns the chunk's memory, made larger where needed, with n bytes of
// which the first len(c.Data) are kept. The chunk is left empty.
func sized(c *Chunk, n int) []byte {
	c.Data = slices.Grow(c.Data, max(0, n-len(c.Data)))
	buf := c.Data[:n]
	c.Data = c.Data[:0]
	return buf
}
