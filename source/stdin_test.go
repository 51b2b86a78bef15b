package source

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func openStdin(t *testing.T, in io.Reader) Partition {
	t.Helper()
	parts, err := (&Stdin{In: in}).Open(t.Context())
	must(t, err)
	must(t, parts[0].Open(t.Context(), 0))
	return parts[0]
}

// A line is handed over when it is there, not when a block is full.
func TestStdinHandsOverWhatIsThere(t *testing.T) {
	r, w := io.Pipe()
	p := openStdin(t, r)
	var c Chunk
	for i, text := range []string{"one\n", "two\n"} {
		go func() { _, _ = w.Write([]byte(text)) }()
		must(t, p.Read(t.Context(), &c))
		if string(c.Data) != text || c.Offset != int64(4*i) || c.Next != int64(4*i+4) {
			t.Fatalf("read %q at %d to %d, want %q", c.Data, c.Offset, c.Next, text)
		}
	}
	must(t, w.Close())
	if err := p.Read(t.Context(), &c); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	must(t, p.Close())
}

func TestStdinHonoursContext(t *testing.T) {
	r, w := io.Pipe()
	p := openStdin(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	var c Chunk
	if err := p.Read(ctx, &c); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("read without input: %v", err)
	}
	go func() { _, _ = w.Write([]byte("late\n")) }()
	must(t, p.Read(t.Context(), &c))
	if string(c.Data) != "late\n" {
		t.Errorf("read %q", c.Data)
	}
	must(t, p.Close())
	must(t, w.Close()) // lets the goroutine end
}

// A pipe of the operating system can be interrupted, so that nothing is left
// behind, and be read again.
func TestStdinCloseInterruptsAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close()
	p := openStdin(t, r)
	must(t, p.Close())
	<-p.(*stdinPartition).exited
	p = openStdin(t, r)
	_, err = w.WriteString("again\n")
	must(t, err)
	var c Chunk
	must(t, p.Read(t.Context(), &c))
	if string(c.Data) != "again\n" {
		t.Errorf("read %q", c.Data)
	}
	must(t, p.Close())
}

func TestStdinReadError(t *testing.T) {
	broken := errors.New("broken")
	p := openStdin(t, io.MultiReader(strings.NewReader("one\ntw"), iotest.ErrReader(broken)))
	var c Chunk
	must(t, p.Read(t.Context(), &c))
	err := p.Read(t.Context(), &c)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "standard input at byte 6") {
		t.Errorf("error %v", err)
	}
	must(t, p.Close())
}

func TestStdinCannotGoOn(t *testing.T) {
	parts, err := (&Stdin{In: strings.NewReader("")}).Open(t.Context())
	must(t, err)
	if err := parts[0].Open(t.Context(), 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
	must(t, parts[0].Close())
}

func TestStdinDefaultsToTheProcess(t *testing.T) {
	parts, err := (&Stdin{}).Open(t.Context())
	must(t, err)
	if parts[0].(*stdinPartition).in != os.Stdin {
		t.Error("it is not os.Stdin")
	}
	if !(&Stdin{}).Traits().Live {
		t.Error("it is not live")
	}
}
