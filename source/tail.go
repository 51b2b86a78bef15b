package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

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
	text  *fileText
	timer *time.Timer
	buf   [headBytes]byte // how the file begins now
}

// wait returns when the file is no longer what it was when the reader came to
// its end, at position at.
func (t *tail) wait(ctx context.Context, at int64) (change, error) {
	for nameless := 0; ; {
		info, err := t.text.file.Stat()
		if err != nil {
			return over, fmt.Errorf("follow %s: %w", t.p.path, err)
		}
		switch same, err := t.sameHead(); {
		case err != nil:
			return over, fmt.Errorf("follow %s: %w", t.p.path, err)
		case !same || info.Size() < at:
			return restarted, nil
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

// sameHead reports whether the file still begins as it did when that was read.
// A file that was cut and written past the old end within one look is told by
// that.
func (t *tail) sameHead() (bool, error) {
	n, err := t.text.file.ReadAt(t.buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.HasPrefix(t.buf[:n], t.text.head), nil
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
