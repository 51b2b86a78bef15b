package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// packedBlock is how much of a compressed file is read at once.
const packedBlock = 64 << 10

// maxZstdWindow bounds the memory a .zst file may ask for: the window of
// zstd --long.
const maxZstdWindow = 128 << 20

// errShort says that a file ends before the position to go on from.
var errShort = errors.New("the file ends before that")

// errChanged says that a file is not the one that was recognized.
var errChanged = errors.New("the file does not begin as it did")

// fileText is the text of a file, decompressed where its name asks for it.
type fileText struct {
	io.Reader
	file *os.File
	// head is how the file begins, compressed as it may be, as far as it has
	// been read; at most headBytes. It is kept as it passes by: read a moment
	// later, it could already be another file's.
	head []byte
	path string
	// unpack is called by close; nil for plain files.
	unpack func()
	plain  bool
}

// newFileText takes f over; it is closed on an error.
func newFileText(f *os.File, path string) (*fileText, error) {
	t := &fileText{file: f, path: path}
	err := t.decompress()
	if errors.Is(err, io.EOF) {
		t.Reader, err = eof{}, nil // an empty file has empty text
	}
	if err != nil {
		return nil, errors.Join(t.explain(err, 0), f.Close())
	}
	return t, nil
}

func (t *fileText) decompress() error {
	switch {
	case strings.HasSuffix(t.path, ".gz"):
		z, err := gzip.NewReader(bufio.NewReaderSize(rawText{t}, packedBlock))
		if err != nil {
			return err
		}
		t.Reader, t.unpack = z, func() { _ = z.Close() } // closes nothing of ours
	case strings.HasSuffix(t.path, ".zst"):
		// One at a time: decompression is then part of reading, with no
		// goroutines of its own.
		z, err := zstd.NewReader(rawText{t}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return err
		}
		t.Reader, t.unpack = z, z.Close
	default:
		t.Reader, t.plain = rawText{t}, true
	}
	return nil
}

// rawText reads a file as it is.
type rawText struct{ t *fileText }

func (r rawText) Read(p []byte) (int, error) {
	n, err := r.t.file.Read(p)
	if room := headBytes - len(r.t.head); room > 0 {
		r.t.head = append(r.t.head, p[:min(n, room)]...)
	}
	return n, err
}

// skipTo moves to a position from the beginning: a seek in plain files, which
// then must be that long, and reading in compressed ones.
func (t *fileText) skipTo(ctx context.Context, position int64) error {
	if t.plain {
		info, err := t.file.Stat()
		if err != nil {
			return t.explain(err, 0)
		}
		if info.Size() < position {
			return fmt.Errorf("%w, after %d bytes", errShort, info.Size())
		}
		if t.head, err = readHead(t.file, min(position, headBytes)); err != nil {
			return t.explain(err, 0)
		}
		_, err = t.file.Seek(position, io.SeekStart)
		return err
	}
	for at := int64(0); at < position; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(io.Discard, t, min(position-at, blockBytes))
		at += n
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w, after %d bytes", errShort, at)
		}
		if err != nil {
			return t.explain(err, at)
		}
	}
	return nil
}

// rewind goes back to the beginning of a plain file that starts over.
func (t *fileText) rewind() error {
	t.head = t.head[:0]
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("start over at the beginning of %s: %w", t.path, err)
	}
	return nil
}

// readHead returns the first n bytes of a file, or all if it has fewer.
func readHead(f *os.File, n int64) ([]byte, error) {
	head := make([]byte, n)
	got, err := f.ReadAt(head, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:got], err
}

// explain says where reading failed and what may help.
func (t *fileText) explain(err error, at int64) error {
	if t.plain {
		return fmt.Errorf("read %s at byte %d: %w", t.path, at, err)
	}
	return fmt.Errorf("decompress %s, after %d bytes of text: %w; the file is damaged or not complete: replace it, or rename it if it is not compressed", t.path, at, err)
}

func (t *fileText) close() error {
	if t.unpack != nil {
		t.unpack()
	}
	if err := t.file.Close(); err != nil {
		return fmt.Errorf("close source file: %w", err)
	}
	return nil
}

// eof is a reader that has nothing.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
