package source

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// headBytes is how much of a file's beginning belongs to its identity.
const headBytes = 1 << 10

// gracePolls is how many looks a file that lost its name is still given: its
// writer may not have noticed yet.
const gracePolls = 10

// change is what became of a file at whose end a reader stands.
type change int

const (
	grown     change = iota // there is more to read
	restarted               // it was cut short or written anew, in place
	over                    // nothing will come any more
)

// tail watches the end of a followed file.
type tail struct {
	p     *filePartition
	file  *os.File
	head  []byte // how the file begins, as far as it has been seen
	timer *time.Timer
}

func newTail(p *filePartition, f *os.File) *tail {
	return &tail{p: p, file: f, head: make([]byte, 0, headBytes)}
}

// wait returns when the file is no longer what it was when the reader came to
// its end, at position at.
func (t *tail) wait(ctx context.Context, at int64) (change, error) {
	for nameless := 0; ; {
		info, err := t.file.Stat()
		if err != nil {
			return over, fmt.Errorf("follow %s: %w", t.p.path, err)
		}
		switch same, err := t.sameHead(); {
		case err != nil:
			return over, fmt.Errorf("follow %s: %w", t.p.path, err)
		case !same || info.Size() < at:
			return restarted, t.rewind()
		case info.Size() > at:
			return grown, nil
		}
		if t.p.src.locate(t.p.path, info) != "" {
			nameless = 0
		} else if nameless++; nameless > gracePolls {
			return over, nil
		}
		if err := t.sleep(ctx); err != nil {
			return over, err
		}
	}
}

// sameHead reports whether the file still begins as it did. A file that was
// cut and written past the old end within one look is told by that.
func (t *tail) sameHead() (bool, error) {
	var buf [headBytes]byte
	n, err := t.file.ReadAt(buf[:], 0)
	if err != nil && err != io.EOF {
		return false, err
	}
	if !bytes.HasPrefix(buf[:n], t.head) {
		return false, nil
	}
	t.head = append(t.head[:0], buf[:n]...)
	return true, nil
}

// rewind goes back to the beginning of a file that starts over.
func (t *tail) rewind() error {
	t.head = t.head[:0]
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("start over at the beginning of %s: %w", t.p.path, err)
	}
	return nil
}

func (t *tail) sleep(ctx context.Context) error {
	if t.timer == nil {
		t.timer = time.NewTimer(t.p.src.poll)
	} else {
		t.timer.Reset(t.p.src.poll)
	}
	select {
	case <-ctx.Done():
		t.timer.Stop()
		return ctx.Err()
	case <-t.timer.C:
		return nil
	}
}
