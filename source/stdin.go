package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/llm-optimizer/processor/event"
)

// Stdin reads lines from standard input, or any reader, as one partition. It
// is live: what is there is handed over as soon as it holds a whole line. The
// end of the input ends the partition.
//
// A read from a terminal or a pipe cannot be interrupted, so it happens on a
// goroutine of its own. When the partition is closed before the end of the
// input, that goroutine stays behind until its read returns; what it reads
// then is lost. That is harmless where the process ends after its pipeline. A
// reader with SetReadDeadline is interrupted and left without a deadline.
//
// A Stdin belongs to one pipeline; use it by pointer.
type Stdin struct {
	// In is read; nil means os.Stdin. It is not closed.
	In io.Reader
	// MaxRecordBytes is the size of the largest line; 0 means 1 MiB. Only
	// the beginning of a larger one is handed over, so that memory is bounded.
	MaxRecordBytes int
}

// Traits says that the source is live and can be read once.
func (s *Stdin) Traits() Traits { return Traits{Kind: "stdin", Live: true, Once: true} }

// Open returns the one partition.
func (s *Stdin) Open(context.Context) ([]Partition, error) {
	in := s.In
	if in == nil {
		in = os.Stdin
	}
	return []Partition{&stdinPartition{in: in, lines: newLineReader(s.MaxRecordBytes, false)}}, nil
}

// Discover returns io.EOF: there is one partition.
func (s *Stdin) Discover(context.Context) ([]Partition, error) { return Fixed() }

// Close has nothing to release.
func (s *Stdin) Close() error { return nil }

// stdinPartition passes chunks from a reading goroutine to Read. Two of them
// circulate, so that one is filled while the other is processed, and their
// memory is swapped with the caller's rather than copied.
type stdinPartition struct {
	in    io.Reader
	lines *lineReader

	full, free chan *Chunk
	stop       context.CancelFunc
	exited     chan struct{}
	// err is set before full is closed.
	err   error
	grace *time.Timer // runs once the input has ended
}

// Origin calls the partition "stdin".
func (p *stdinPartition) Origin() event.Origin { return event.Origin{Path: "stdin"} }

// Open starts reading. The only position is 0; another is an error that is
// errors.ErrUnsupported, for what has been read cannot be read again.
func (p *stdinPartition) Open(_ context.Context, position int64) error {
	if position > 0 {
		return fmt.Errorf("go on reading standard input at byte %d: %w: it can only be read once", position, errors.ErrUnsupported)
	}
	p.full, p.free = make(chan *Chunk, 1), make(chan *Chunk, 2)
	p.free <- new(Chunk)
	p.free <- new(Chunk)
	p.exited = make(chan struct{})
	// The reader outlives the context of Open; Close ends it.
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go p.read(ctx)
	return nil
}

// read fills chunks until the input or the partition ends.
func (p *stdinPartition) read(ctx context.Context) {
	defer close(p.exited)
	defer close(p.full)
	for p.err == nil {
		var c *Chunk
		select {
		case c = <-p.free:
		case <-ctx.Done():
			return
		}
		c.Reset()
		p.err = p.lines.next(ctx, p.in, c)
		if errors.Is(p.err, io.EOF) {
			p.lines.flush(c)
		}
		if len(c.Data) == 0 {
			return
		}
		select {
		case p.full <- c:
		case <-ctx.Done():
			return
		}
	}
}

// Read hands over what has come in.
func (p *stdinPartition) Read(ctx context.Context, c *Chunk) error {
	c.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case k, ok := <-p.full:
		if !ok {
			return p.end(ctx)
		}
		c.Data, k.Data = k.Data, c.Data
		c.Offset, c.Next = k.Offset, k.Next
		p.free <- k
		return nil
	}
}

// endGrace is how long the end of a pipe is held back. Ctrl-C ends the program
// that writes it too, and its end may overtake the signal, which must win: the
// end of the input fires windows that are open, a signal does not.
const endGrace = 50 * time.Millisecond

// end says how the input ended, once no signal has come for a moment.
func (p *stdinPartition) end(ctx context.Context) error {
	if p.err != nil && !errors.Is(p.err, io.EOF) {
		return fmt.Errorf("read standard input at byte %d: %w", p.lines.readPos(), p.err)
	}
	if p.grace == nil && isStream(p.in) {
		p.grace = time.NewTimer(endGrace)
	}
	if p.grace == nil {
		return io.EOF
	}
	select {
	case <-p.grace.C:
		p.grace.Reset(0) // a further Read finds the end too
		return io.EOF
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isStream reports whether the input is a pipe, a terminal or the like, which
// another program ends; a file ends by itself.
func isStream(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && !info.Mode().IsRegular()
}

// Close stops reading, as soon as the read under way returns.
func (p *stdinPartition) Close() error {
	if p.stop == nil {
		return nil
	}
	p.stop()
	if interrupt(p.in) {
		<-p.exited
		restore(p.in)
	}
	return nil
}
