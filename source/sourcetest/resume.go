package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/llm-optimizer/processor/source"
)

// place is where a run stopped in a partition.
type place struct {
	source.Saved
	// records are those before the place.
	records []string
	ended   bool
}

// checkResume reads a partition up to the end of each chunk, and goes on from
// there with the source opened anew.
func checkResume(ctx context.Context, s suite) error {
	return s.stops(ctx, func(places []place) error {
		i := -1
		return s.all(ctx, func(p source.Partition) ([]string, error) {
			i++
			return places[i].goOn(ctx, p)
		})
	})
}

// checkRecognize does so too, and lets the source say which partition is
// which.
func checkRecognize(ctx context.Context, s suite) error {
	if _, ok := s.open().(source.Recognizer); !ok {
		return fmt.Errorf("%w: the source is no Recognizer", errSkip)
	}
	return s.stops(ctx, func(places []place) error {
		return s.with(ctx, func(src source.Source, parts []source.Partition) error {
			got, err := goOnRecognized(ctx, src, parts, places)
			if err != nil {
				return err
			}
			return diff(got, s.want)
		})
	})
}

// stops reads up to the first chunk of each partition, up to the second, and
// so on, and lets f go on from there.
func (s suite) stops(ctx context.Context, f func([]place) error) error {
	if s.open().Traits().Once {
		return fmt.Errorf("%w: the source is read once", errSkip)
	}
	for upTo := 0; ; upTo++ {
		var places []place
		more := false
		err := s.with(ctx, func(_ source.Source, parts []source.Partition) error {
			for _, p := range parts {
				to, err := readChunks(ctx, p, upTo)
				if err != nil {
					return err
				}
				places, more = append(places, to), more || !to.ended
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := f(places); err != nil {
			return fmt.Errorf("after %d chunks of each partition: %w", upTo, err)
		}
		if !more {
			return nil
		}
	}
}

// readChunks reads up to n chunks and closes the partition.
func readChunks(ctx context.Context, p source.Partition, n int) (place, error) {
	to := place{Saved: source.Saved{Origin: p.Origin()}}
	if err := p.Open(ctx, 0); err != nil {
		return to, err
	}
	c := new(source.Chunk)
	var token []byte
	for range n {
		err := p.Read(ctx, c)
		if errors.Is(err, io.EOF) {
			to.ended = true
			break
		}
		if err != nil {
			return to, err
		}
		to.records, to.Position = append(to.records, records(c)...), c.Next
		if c.Token != nil {
			to.Token, token = c.Token, bytes.Clone(c.Token)
		}
	}
	if !bytes.Equal(to.Token, token) {
		return to, errors.New("a token has changed after Read returned it: its memory is the engine's")
	}
	return to, p.Close()
}

// goOn returns the records before the place and, read from there, those after
// it.
func (to *place) goOn(ctx context.Context, p source.Partition) ([]string, error) {
	got, err := read(ctx, p, to.Position, new(source.Chunk))
	if errors.Is(err, errors.ErrUnsupported) {
		err = fmt.Errorf("%w: a source that cannot resume says so with Traits.Once", err)
	}
	return append(slices.Clone(to.records), got...), err
}

// goOnRecognized returns the records of all partitions, each from the place
// where the source finds it again. The places are offered in another order than
// that of the partitions; those where nothing was read, not at all.
func goOnRecognized(ctx context.Context, src source.Source, parts []source.Partition, places []place) ([]string, error) {
	known := slices.DeleteFunc(slices.Clone(places), func(to place) bool { return to.Position == 0 })
	slices.Reverse(known)
	var saved []source.Saved
	for i := range known {
		saved = append(saved, known[i].Saved)
	}
	match, gone, err := src.(source.Recognizer).Recognize(ctx, parts, saved)
	switch {
	case err != nil:
		return nil, fmt.Errorf("recognize: %w", err)
	case len(match) != len(parts):
		return nil, fmt.Errorf("Recognize says of %d partitions what they are, want %d", len(match), len(parts))
	case len(gone) > 0:
		return nil, fmt.Errorf("Recognize says that %d of the partitions are gone, and all are there", len(gone))
	}
	var got []string
	taken := map[int]bool{}
	for i, p := range parts {
		to := &places[i]
		switch m := match[i]; {
		case m < -1 || m >= len(known) || m >= 0 && taken[m]:
			return got, fmt.Errorf("Recognize says that partition %+v is number %d of %d, want one that no other partition is", p.Origin(), m, len(known))
		case m == -1 && to.Position > 0:
			return got, fmt.Errorf("Recognize does not find partition %+v, read up to %d", p.Origin(), to.Position)
		case m >= 0:
			taken[m], to = true, &known[m]
		}
		rs, err := to.goOn(ctx, p)
		if err != nil {
			return got, fmt.Errorf("partition %+v: %w", p.Origin(), err)
		}
		got = append(got, rs...)
	}
	return got, nil
}
