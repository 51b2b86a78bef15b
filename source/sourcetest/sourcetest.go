// Package sourcetest proves that a source.Source keeps its contract. A source
// of your own passes with three lines:
//
//	func TestMySource(t *testing.T) {
//		sourcetest.Run(t, func() source.Source { return &mine.Source{…} }, "record 1", "record 2")
//	}
package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/source"
)

// patience bounds every wait of the suite.
const patience = 30 * time.Second

// errSkip says that a check does not apply to the source.
var errSkip = errors.New("does not apply")

// Run checks a source whose input ends. open returns the source anew, over
// the same input, each time it is called; want are its records without line
// ends, partition after partition in the order of Open.
//
// Records, their order, positions and resuming at each of them, the end, a
// cancelled Read, Peek where there is one, and closing in the middle are
// checked; of a source.Recognizer also that it finds each partition again by
// its newest token. A source that cannot resume says so with Traits.Once, and
// is excused.
func Run(t *testing.T, open func() source.Source, want ...string) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := c.check(ctx, suite{open, want})
			if errors.Is(err, errSkip) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

type suite struct {
	open func() source.Source
	want []string
}

var checks = []struct {
	name  string
	check func(context.Context, suite) error
}{
	{"traits", checkTraits},
	{"records", checkRecords},
	{"discover", checkDiscover},
	{"used chunk", checkUsedChunk},
	{"resume", checkResume},
	{"recognize", checkRecognize},
	{"cancelled read", checkCancelled},
	{"peek", checkPeek},
	{"close in the middle", checkCloseEarly},
}

func checkTraits(_ context.Context, s suite) error {
	if t := s.open().Traits(); t.Kind == "" || t.MaxOpen < 0 {
		return fmt.Errorf("traits %+v: Kind must be set and MaxOpen not negative", t)
	}
	return nil
}

func checkRecords(ctx context.Context, s suite) error {
	return s.all(ctx, func(p source.Partition) ([]string, error) {
		return read(ctx, p, 0, new(source.Chunk))
	})
}

func checkDiscover(ctx context.Context, s suite) error {
	return s.with(ctx, func(src source.Source, _ []source.Partition) error {
		done, cancel := context.WithCancel(ctx)
		cancel()
		more, err := src.Discover(done)
		if len(more) > 0 || !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("Discover with nothing new and a cancelled context returns %d partitions and %v, want io.EOF or the context's error", len(more), err)
		}
		return nil
	})
}

// checkUsedChunk reads into a chunk that holds what another source left.
func checkUsedChunk(ctx context.Context, s suite) error {
	return s.all(ctx, func(p source.Partition) ([]string, error) {
		c := &source.Chunk{Data: bytes.Repeat([]byte("left over\n"), 1000), Offset: 77, Next: 10_077}
		return read(ctx, p, 0, c)
	})
}

// checkCancelled reads with a cancelled context before each real read.
func checkCancelled(ctx context.Context, s suite) error {
	done, cancel := context.WithCancel(ctx)
	cancel()
	return s.all(ctx, func(p source.Partition) ([]string, error) {
		if err := p.Open(ctx, 0); err != nil {
			return nil, err
		}
		var got []string
		c := new(source.Chunk)
		for {
			if err := p.Read(done, c); !errors.Is(err, context.Canceled) {
				return got, fmt.Errorf("Read with a cancelled context returns %v, want context.Canceled", err)
			}
			err := p.Read(ctx, c)
			if errors.Is(err, io.EOF) {
				return got, p.Close()
			}
			if err != nil {
				return got, err
			}
			got = append(got, records(c)...)
		}
	})
}

func checkPeek(ctx context.Context, s suite) error {
	skipped := fmt.Errorf("%w: no partition is a Peeker", errSkip)
	err := s.all(ctx, func(p source.Partition) ([]string, error) {
		peeker, ok := p.(source.Peeker)
		if !ok {
			return read(ctx, p, 0, new(source.Chunk))
		}
		skipped = nil
		c := new(source.Chunk)
		peekErr := peeker.Peek(ctx, c)
		head := records(c)
		got, err := read(ctx, p, 0, new(source.Chunk))
		switch {
		case err != nil:
			return got, err
		case len(got) == 0 && !errors.Is(peekErr, io.EOF):
			return got, fmt.Errorf("Peek of an empty partition returns %v, want io.EOF", peekErr)
		case len(got) > 0 && (peekErr != nil || len(head) == 0 || len(head) > len(got) || !slices.Equal(head, got[:len(head)])):
			return got, fmt.Errorf("Peek returns %d records and %v, want at least one of those that Read returns first", len(head), peekErr)
		}
		return got, nil
	})
	return errors.Join(err, skipped)
}

func checkCloseEarly(ctx context.Context, s suite) error {
	return s.with(ctx, func(_ source.Source, parts []source.Partition) error {
		for _, p := range parts {
			if err := p.Open(ctx, 0); err != nil {
				return err
			}
			if err := p.Read(ctx, new(source.Chunk)); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if err := p.Close(); err != nil {
				return err
			}
		}
		return nil
	})
}

// with opens the source for f and closes it.
func (s suite) with(ctx context.Context, f func(source.Source, []source.Partition) error) error {
	src := s.open()
	parts, err := src.Open(ctx)
	if err != nil {
		return fmt.Errorf("open the source: %w", err)
	}
	if err := f(src, parts); err != nil {
		return errors.Join(err, src.Close())
	}
	return src.Close()
}

// all compares what f reads from the partitions with what is wanted.
func (s suite) all(ctx context.Context, f func(source.Partition) ([]string, error)) error {
	return s.with(ctx, func(_ source.Source, parts []source.Partition) error {
		var got []string
		for _, p := range parts {
			rs, err := f(p)
			if err != nil {
				return fmt.Errorf("partition %+v: %w", p.Origin(), err)
			}
			got = append(got, rs...)
		}
		return diff(got, s.want)
	})
}

// diff reports the first difference.
func diff(got, want []string) error {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("record %d is %s, want %s", i, short(got[i]), short(want[i]))
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d records, want %d", len(got), len(want))
	}
	return nil
}

func short(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("%q… (%d bytes)", s[:200], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// read opens a partition, reads it to its end and closes it.
func read(ctx context.Context, p source.Partition, position int64, c *source.Chunk) ([]string, error) {
	if err := p.Open(ctx, position); err != nil {
		return nil, fmt.Errorf("open at position %d: %w", position, err)
	}
	var got []string
	at := position
	for {
		err := p.Read(ctx, c)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return got, err
		}
		if at, err = checkChunk(c, at); err != nil {
			return got, err
		}
		got = append(got, records(c)...)
	}
	if len(c.Data) > 0 || len(c.Spans) > 0 || c.Fill != nil {
		return got, errors.New("the chunk holds something with io.EOF: records go before it")
	}
	if err := p.Read(ctx, c); !errors.Is(err, io.EOF) {
		return got, fmt.Errorf("after io.EOF Read returns %v, want io.EOF again", err)
	}
	return got, p.Close()
}

// checkChunk checks a chunk that begins at or after position at, and returns
// the position after it.
func checkChunk(c *source.Chunk, at int64) (int64, error) {
	if c.Fill != nil {
		return 0, fmt.Errorf("%w: typed sources fill batches by themselves", errSkip)
	}
	if c.Spans == nil {
		if len(c.Data) == 0 {
			return 0, errors.New("the chunk is empty: Read waits until there are records")
		}
		if c.Offset < at || c.Next < c.Offset+int64(len(c.Data)) {
			return 0, fmt.Errorf("a chunk of %d bytes has positions %d to %d, after position %d", len(c.Data), c.Offset, c.Next, at)
		}
		return c.Next, nil
	}
	if len(c.Spans) != len(c.Offsets) || len(c.Spans) == 0 {
		return 0, fmt.Errorf("a chunk has %d spans and %d offsets", len(c.Spans), len(c.Offsets))
	}
	for _, offset := range c.Offsets {
		if offset < at {
			return 0, fmt.Errorf("a record's position is %d, after one before %d", offset, at)
		}
		at = offset + 1
	}
	if c.Next < at {
		return 0, fmt.Errorf("the next position is %d, after a record at %d", c.Next, at-1)
	}
	return c.Next, nil
}

// records returns copies of the chunk's records without line ends.
func records(c *source.Chunk) []string {
	var out []string
	if c.Spans != nil {
		for _, r := range c.Spans {
			out = append(out, string(c.Data[r.Off:r.Off+r.Len]))
		}
		return out
	}
	data := c.Data
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte{'\n'})
		out, data = append(out, string(line)), rest
	}
	return out
}
