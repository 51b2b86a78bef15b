package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/internal/fs"
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
// The file is synced when the sink is closed.
//
// With durable state each row is in the file exactly once: every Commit syncs
// the file and records its length, and a start cuts it to the last length that
// the state knows. The file is then the sink's alone, for lines of others would
// be cut too. What is no regular file, such as a pipe, cannot be cut and gets
// rows at least once; so does standard output by the name of /dev/stdout.
//
// A write or sync that failed is final, since nobody knows what of it reached
// the disk: everything after it returns that error. Use it by pointer.
type File struct {
	// Path of the file.
	Path string
	// OnExisting is Append, Truncate or Refuse. Empty means Append, and with
	// durable state Refuse. A file that the state knows goes on where it was,
	// whatever is said here.
	OnExisting string
	// Meta adds to each result how many events it holds, the watermark and
	// when it was made.
	Meta bool

	fs   fs.FS // nil: the machine's
	file fs.File
	// marks says that the file has a length of its own, to be recorded and cut.
	marks   bool
	resumed bool // the state knows the file
	// cut is the length to cut the file to at the start; -1 to leave it.
	cut     int64
	started bool
	linked  bool // the file's name is durable
	failed  error
	buf     []byte
}

// SetFS makes the sink use another file system: for tests of this module, which
// lose what was not synced.
func (s *File) SetFS(f fs.FS) { s.fs = f }

// Target is the path: no two sinks, and no source, may have it.
func (s *File) Target() string { return s.Path }

// Open opens or creates the file. What it holds is left alone until Start.
func (s *File) Open(context.Context) error {
	if s.Path == "" {
		return errors.New("file sink has no path: name the file to write")
	}
	switch s.OnExisting {
	case "", Append, Truncate, Refuse:
	default:
		return fmt.Errorf("file sink %s cannot %q an existing file: choose %s, %s or %s", s.Path, s.OnExisting, Append, Truncate, Refuse)
	}
	if s.fs == nil {
		s.fs = fs.OS
	}
	if err := s.fs.MkdirAll(filepath.Dir(s.Path)); err != nil {
		return fmt.Errorf("make the folder of file sink %s: %w", s.Path, err)
	}
	f, err := s.fs.OpenAppend(s.Path)
	if err != nil {
		return fmt.Errorf("open file sink: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open file sink: %w", err), f.Close())
	}
	s.file, s.marks, s.cut = f, info.Mode().IsRegular() && !isStandard(s.Path), -1
	s.resumed, s.started, s.linked, s.failed = false, false, false, nil
	return nil
}

// Start makes the file ready to append to: it cuts or empties it, or ends its
// last line. A file that is there and must not be is an error; it comes only
// here because Resume may allow it. The first Write starts too.
func (s *File) Start(context.Context) error {
	if err := s.usable(); err != nil || s.started {
		return err
	}
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("start file sink: %w", err)
	}
	size := info.Size()
	switch {
	case s.cut > size:
		err = fmt.Errorf("file sink %s was cut from %d to %d bytes by someone else: start again", s.Path, s.cut, size)
	case !info.Mode().IsRegular() || size == 0:
	case s.cut >= 0:
		err = s.truncate(size, s.cut)
	case s.resumed || s.OnExisting == "" || s.OnExisting == Append:
		err = s.endLine(size)
	case s.OnExisting == Truncate:
		err = s.truncate(size, 0)
	default:
		return s.refusal(size, "move it away, or let the sink append or truncate")
	}
	if err != nil {
		return s.fail(err)
	}
	s.started = true
	return nil
}

// usable returns why nothing can be written.
func (s *File) usable() error {
	if s.file == nil {
		return fmt.Errorf("write to file sink %s: %w", s.Path, os.ErrClosed)
	}
	return s.failed
}

// fail keeps an error for all that follows.
func (s *File) fail(err error) error {
	s.failed = err
	return err
}

func (s *File) refusal(size int64, instead string) error {
	return fmt.Errorf("file sink %s is there already and holds %d bytes: %s", s.Path, size, instead)
}

func (s *File) truncate(from, to int64) error {
	if from == to {
		return nil
	}
	failpoint.At("file/before-cut")
	if err := s.file.Truncate(to); err != nil {
		return fmt.Errorf("cut file sink %s from %d to %d bytes: %w", s.Path, from, to, err)
	}
	failpoint.At("file/after-cut")
	return nil
}

// endLine ends a line that was cut short.
func (s *File) endLine(size int64) error {
	ended, err := s.endsLine(size)
	if err != nil || ended {
		return err
	}
	s.buf = append(s.buf[:0], '\n')
	return s.flush()
}

// endsLine reports whether a line ends at a length of the file.
func (s *File) endsLine(size int64) (bool, error) {
	if size == 0 {
		return true, nil
	}
	var last [1]byte
	if _, err := s.file.ReadAt(last[:], size-1); err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the end of file sink %s: %w", s.Path, err)
	}
	return last[0] == '\n', nil
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
	failpoint.At("file/before-write")
	n, err := s.file.Write(s.buf)
	failpoint.At("file/after-write")
	if err == nil && n < len(s.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return s.fail(fmt.Errorf("write to file sink %s, after %d of %d bytes: %w", s.Path, n, len(s.buf), err))
	}
	s.buf = shrunk(s.buf[:0])
	return nil
}

// Close syncs and closes the file. After a failure it only closes it.
func (s *File) Close(context.Context) error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && s.failed == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("close file sink %s: %w", s.Path, err)
	}
	return nil
}
