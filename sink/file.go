package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/llm-optimizer/processor/result"
)

// What a File does with a file that is there and not empty.
const (
	// Append goes on at its end.
	Append = "append"
	// Truncate empties it.
	Truncate = "truncate"
	// Refuse is an error.
	Refuse = "refuse"
)

// writeBytes is the size of the writes of a large batch.
const writeBytes = 1 << 20

// File is a sink that writes rows to a file, one JSON object a line. Missing
// folders are made. Every write holds whole lines and goes to the end of the
// file, so other programs that append may share it;
// a file that ends within a line, as after a crash, gets a line end first.
// The file is synced when the sink is closed. Use it by pointer.
type File struct {
	// Path of the file.
	Path string
	// OnExisting is Append, Truncate or Refuse; empty means Append.
	OnExisting string
	// Meta adds to each result how many events it holds, the watermark and
	// when it was made.
	Meta bool

	file    *os.File
	started bool
	buf     []byte
}

// Target is the path: no two sinks, and no source, may have it.
func (s *File) Target() string { return s.Path }

// Open opens or creates the file. What it holds is left alone until Start.
func (s *File) Open(context.Context) error {
	if s.Path == "" {
		return errors.New("file sink has no path: name the file to write")
	}
	mode := s.OnExisting
	if mode == "" {
		mode = Append
	}
	if mode != Append && mode != Truncate && mode != Refuse {
		return fmt.Errorf("file sink %s cannot %q an existing file: choose %s, %s or %s", s.Path, mode, Append, Truncate, Refuse)
	}
	if err := os.MkdirAll(filepath.Dir(s.Path), 0o755); err != nil {
		return fmt.Errorf("make the folder of file sink %s: %w", s.Path, err)
	}
	f, err := os.OpenFile(s.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open file sink: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return errors.Join(fmt.Errorf("open file sink: %w", err), f.Close())
	case mode == Refuse && info.Mode().IsRegular() && info.Size() > 0:
		return errors.Join(fmt.Errorf("file sink %s is there already and holds %d bytes: move it away, or let the sink append or truncate", s.Path, info.Size()), f.Close())
	}
	s.file, s.started = f, false
	return nil
}

// Start makes the file ready to append to: it empties it, or ends its last
// line. The first Write does so too.
func (s *File) Start(context.Context) error {
	if s.file == nil {
		return fmt.Errorf("write to file sink %s: %w", s.Path, os.ErrClosed)
	}
	if s.started {
		return nil
	}
	s.started = true
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("start file sink: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil
	}
	if s.OnExisting != Truncate {
		return s.endLine(s.file, info.Size())
	}
	if err := s.file.Truncate(0); err != nil {
		return fmt.Errorf("empty file sink %s: %w", s.Path, err)
	}
	return nil
}

// endLine ends a line that was cut short.
func (s *File) endLine(f *os.File, size int64) error {
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the end of file sink %s: %w", s.Path, err)
	}
	if last[0] == '\n' {
		return nil
	}
	if _, err := f.Write([]byte{'\n'}); err != nil {
		return fmt.Errorf("end the last line of file sink %s: %w", s.Path, err)
	}
	return nil
}

// Write appends the batch to the file.
func (s *File) Write(ctx context.Context, b *result.Batch) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	s.buf = s.buf[:0]
	for i := range b.Results {
		s.buf = append(b.Results[i].AppendJSON(s.buf, s.Meta), '\n')
		if len(s.buf) >= writeBytes {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	rest := result.Batch{Late: b.Late, Dead: b.Dead}
	s.buf = rest.AppendNDJSON(s.buf, s.Meta)
	return s.flush()
}

// flush writes the lines collected.
func (s *File) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	n, err := s.file.Write(s.buf)
	if err != nil {
		return fmt.Errorf("write to file sink %s, after %d of %d bytes: %w", s.Path, n, len(s.buf), err)
	}
	s.buf = shrunk(s.buf[:0])
	return nil
}

// Close syncs and closes the file.
func (s *File) Close(context.Context) error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("close file sink %s: %w", s.Path, err)
	}
	return nil
}
