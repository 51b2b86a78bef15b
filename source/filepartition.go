package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/llm-optimizer/processor/event"
)

// peekBytes is how much of a file Peek reads.
const peekBytes = 16 << 10

// filePartition is one file.
type filePartition struct {
	src    *File
	path   string
	follow bool // src.Follow, but for compressed files

	// info identifies the file; it never changes.
	info os.FileInfo
	// Guarded by src.mu: whether the last scan found the file; and whether it
	// has been read to its end, and what it was then.
	seen  bool
	ended os.FileInfo

	lines *lineReader
	text  *fileText
	tail  *tail // set while following
	atEnd bool  // the last read met the end of the file
	done  bool
}

func newFilePartition(s *File, path string, info os.FileInfo) *filePartition {
	packed := isPacked(path)
	return &filePartition{
		src: s, path: path, info: info,
		follow: s.Follow && !packed,
		lines:  newLineReader(s.MaxRecordBytes, packed),
	}
}

// isPacked reports whether the name says that the file is compressed.
func isPacked(path string) bool {
	return strings.HasSuffix(path, ".gz") || strings.HasSuffix(path, ".zst")
}

// Origin is the path.
func (p *filePartition) Origin() event.Origin { return event.Origin{Path: p.path} }

// Open starts at a byte of the file's text.
func (p *filePartition) Open(ctx context.Context, position int64) error {
	text, err := p.open()
	if err != nil {
		return err
	}
	if text == nil {
		p.done = true // replaced or removed before its turn came
		return nil
	}
	if position, err = p.start(ctx, text, position); err != nil {
		return errors.Join(err, text.close())
	}
	p.text = text
	p.lines.reset(position)
	if p.follow {
		p.tail = newTail(p, text.file)
	}
	return nil
}

// open opens the file that was found, by whatever name it has now; nil when a
// followed one is gone.
func (p *filePartition) open() (*fileText, error) {
	path := p.path
	if p.src.Follow {
		if path = p.src.locate(p.path, p.info); path == "" {
			return nil, nil
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open source file: %w", err)
	}
	return newFileText(f, p.path)
}

// start moves to the position. A followed file that is shorter was cut short
// while nobody looked, and is new from its beginning.
func (p *filePartition) start(ctx context.Context, text *fileText, position int64) (int64, error) {
	if position <= 0 {
		return 0, nil
	}
	err := text.skipTo(ctx, position)
	if errors.Is(err, errShort) {
		if p.follow {
			_, err = text.file.Seek(0, io.SeekStart)
			return 0, err
		}
		return 0, fmt.Errorf("go on reading %s at byte %d: %w: it was cut short or replaced; start over with a fresh state", p.path, position, err)
	}
	return position, err
}

// Read hands over the next lines.
func (p *filePartition) Read(ctx context.Context, c *Chunk) error {
	c.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	for !p.done {
		if p.atEnd {
			last, err := p.pastEnd(ctx, c)
			if err != nil || last {
				return err
			}
			continue
		}
		err := p.lines.next(ctx, p.text, c)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return err
		case !errors.Is(err, io.EOF):
			return p.text.explain(err, p.lines.readPos())
		}
		p.atEnd = true
	}
	return io.EOF
}

// pastEnd finds out what comes after the end of the file, before anything
// more is read from it. It reports whether it handed over the line begun.
func (p *filePartition) pastEnd(ctx context.Context, c *Chunk) (bool, error) {
	what := over
	if p.tail != nil {
		var err error
		if what, err = p.tail.wait(ctx, p.lines.readPos()); err != nil {
			return false, err
		}
	}
	p.atEnd = false
	if what == grown {
		return false, nil
	}
	last := p.lines.flush(c)
	p.finish(what)
	return last, nil
}

// finish ends the partition, or starts over when the file did.
func (p *filePartition) finish(c change) {
	switch {
	case c == restarted:
		p.lines.reset(0)
	case p.tail != nil:
		p.done = true
		p.src.forget(p)
	default:
		p.done = true
		p.src.end(p, p.text.file)
	}
}

// Peek returns the first lines of the file.
func (p *filePartition) Peek(ctx context.Context, c *Chunk) error {
	c.Reset()
	text, err := p.open()
	if err != nil {
		return err
	}
	if text == nil {
		return io.EOF
	}
	lines := newLineReader(p.src.MaxRecordBytes, false)
	lines.block = peekBytes
	err = lines.next(ctx, text, c)
	if errors.Is(err, io.EOF) && !p.follow && lines.flush(c) {
		err = nil
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		err = text.explain(err, lines.readPos())
	}
	if closeErr := text.close(); err == nil {
		err = closeErr
	}
	return err
}

// Close closes the file.
func (p *filePartition) Close() error {
	if p.text == nil {
		return nil
	}
	err := p.text.close()
	p.text = nil
	p.done = true
	return err
}
