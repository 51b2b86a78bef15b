package sink

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/llm-optimizer/processor/result"
)

// Format is how a Writer shows rows.
type Format string

// The formats.
const (
	// JSON is one object a line.
	JSON Format = "json"
	// Table is aligned columns for people; it works on a terminal and in a
	// file.
	Table Format = "table"
)

// Writer is a sink that writes rows to a stream, each batch with one write.
// It keeps no place of what it delivered: after a crash rows may come again,
// with the same ids. It does not close the stream.
type Writer struct {
	// Meta adds to each result how many events it holds, the watermark and
	// when it was made.
	Meta bool

	w      io.Writer
	format Format
	table  *table
	buf    []byte
}

// Stdout writes to standard output.
func Stdout(format Format) *Writer { return NewStdout(nil, format) }

// NewStdout writes to w; nil means os.Stdout.
func NewStdout(w io.Writer, format Format) *Writer {
	return &Writer{w: w, format: format}
}

// Open checks the format.
func (s *Writer) Open(context.Context) error {
	if s.w == nil {
		s.w = os.Stdout
	}
	switch s.format {
	case JSON:
		return nil
	case Table:
		s.table = newTable(s.Meta)
		return nil
	default:
		return fmt.Errorf("standard output has no format %q: choose %s or %s", s.format, JSON, Table)
	}
}

// Write writes the batch.
func (s *Writer) Write(_ context.Context, b *result.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	if s.table != nil {
		s.buf = s.table.append(s.buf[:0], b)
	} else {
		s.buf = b.AppendNDJSON(s.buf[:0], s.Meta)
	}
	if _, err := s.w.Write(s.buf); err != nil {
		return fmt.Errorf("write %d rows to standard output: %w", b.Len(), err)
	}
	s.buf = shrunk(s.buf)
	return nil
}

// Close has nothing left to write.
func (s *Writer) Close(context.Context) error { return nil }

// maxIdleBuffer is how much memory a sink keeps between batches.
const maxIdleBuffer = 4 << 20

// shrunk gives the memory of an unusually large batch back.
func shrunk(buf []byte) []byte {
	if cap(buf) > maxIdleBuffer {
		return nil
	}
	return buf
}
