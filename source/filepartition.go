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
	// moved is where a file is that lost its name while nobody looked, or "".
	moved string
	// known is what the file was recognized by; nil for a new one.
	known *identity
	// Guarded by src.mu: whether the last scan found the file; and whether it
	// has been read to its end, and what it was then.
	seen  bool
	ended os.FileInfo

	lines *lineReader
	text  *fileText
	tail  *tail // set while following
	atEnd bool  // the last read met the end of the file
	done  bool
	// opened is what the file was when it was opened.
	opened os.FileInfo
	// claimed is how much of the head the newest token has; -1 before the
	// first one.
	claimed int
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
	if p.opened, err = text.file.Stat(); err != nil {
		return errors.Join(text.explain(err, 0), text.close())
	}
	if position, err = p.start(ctx, text, position); err != nil {
		return errors.Join(err, text.close())
	}
	p.text, p.claimed = text, -1
	p.lines.reset(position)
	if p.follow {
		p.tail = &tail{p: p, text: text}
	}
	return nil
}

// open opens the file that was found, by whatever name it has now; nil when a
// followed one is gone.
func (p *filePartition) open() (*fileText, error) {
	path := p.where()
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open source file: %w", err)
	}
	return newFileText(f, p.path)
}

// where returns the name that the file has now, or "" when a followed one is
// gone.
func (p *filePartition) where() string {
	switch {
	case !p.src.Follow:
		return p.path
	case p.moved != "" && named(p.moved, p.info):
		return p.moved
	default:
		return p.src.locate(p.path, p.info)
	}
}

// start moves to the position. A followed file that is shorter was cut short
// while nobody looked, and is new from its beginning; so is one that was
// written anew since it was recognized.
func (p *filePartition) start(ctx context.Context, text *fileText, position int64) (int64, error) {
	if position <= 0 {
		return 0, nil
	}
	err := text.skipTo(ctx, position)
	if err == nil && p.known != nil && !p.known.begins(text.head) {
		err = errChanged
	}
	switch {
	case !errors.Is(err, errShort) && !errors.Is(err, errChanged):
		return position, err
	case p.follow:
		return 0, text.rewind()
	default:
		return 0, fmt.Errorf("go on reading %s at byte %d: %w: it was cut short or replaced; start over with a fresh state", p.path, position, err)
	}
}

// Read hands over the next lines.
func (p *filePartition) Read(ctx context.Context, c *Chunk) error {
	c.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.look(); err != nil {
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
			p.stamp(c)
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

// look sees that a followed file is still the one that is being read. While
// nobody asked for more it may have been cut and written past the position.
func (p *filePartition) look() error {
	if p.tail == nil || p.atEnd || p.done {
		return nil
	}
	same, err := p.tail.sameHead()
	if err != nil {
		return fmt.Errorf("follow %s: %w", p.path, err)
	}
	p.atEnd = !same
	return nil
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
	if last {
		p.stamp(c)
	}
	return last, p.finish(what)
}

// stamp gives the chunk a token when more of the file's head is known than the
// last one had. It claims no more than was read up to the end of the chunk: a
// run that goes on from there must find the file the same.
func (p *filePartition) stamp(c *Chunk) {
	if p.claimed == headBytes {
		return
	}
	head := p.text.head
	if p.text.plain {
		head = head[:min(int64(len(head)), c.Next)]
	}
	if len(head) > p.claimed {
		id := identify(p.opened, p.path, head)
		c.Token, p.claimed = id.token(), len(head)
	}
}

// finish ends the partition, or starts over when the file did.
func (p *filePartition) finish(c change) error {
	switch {
	case c == restarted:
		p.claimed = -1
		p.lines.reset(0)
		return p.text.rewind()
	case p.tail != nil:
		p.done = true
		p.src.forget(p)
	default:
		p.done = true
		p.src.end(p, p.text.file)
	}
	return nil
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
