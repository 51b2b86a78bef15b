package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a source of two partitions of two records each, one record a chunk,
// with one fault.
type fake struct {
	fault string
	spans bool
}

func (s *fake) Traits() source.Traits {
	if s.fault == "kind" {
		return source.Traits{}
	}
	return source.Traits{Kind: "fake", Once: s.fault == "once"}
}

func (s *fake) Open(context.Context) ([]source.Partition, error) {
	if s.fault == "open" {
		return nil, io.ErrClosedPipe
	}
	return []source.Partition{&fakePartition{s: s, records: []string{"a0", "a1"}}, &fakePartition{s: s, records: []string{"b0", "b1"}}}, nil
}

func (s *fake) Discover(ctx context.Context) ([]source.Partition, error) {
	if s.fault == "discover" {
		return nil, io.ErrClosedPipe
	}
	return source.Fixed()
}

func (s *fake) Close() error { return nil }

type fakePartition struct {
	s       *fake
	records []string
	n       int
	ended   bool
	token   [1]byte
}

func (p *fakePartition) Origin() event.Origin { return event.Origin{Topic: "fake"} }

func (p *fakePartition) Open(_ context.Context, position int64) error {
	switch p.s.fault {
	case "open partition":
		return io.ErrClosedPipe
	case "no resume", "once":
		if position > 0 {
			return fmt.Errorf("resume: %w", errors.ErrUnsupported)
		}
	case "resume":
		position = 0
	}
	p.n = int(position) / 3
	return nil
}

func (p *fakePartition) Read(ctx context.Context, c *source.Chunk) error {
	if p.s.fault != "used chunk" {
		c.Reset()
	}
	if err := ctx.Err(); err != nil {
		switch p.s.fault {
		case "cancel ignored":
			return nil
		case "cancel loses":
			p.n++
		}
		return err
	}
	if p.n >= len(p.records) {
		if p.s.fault == "records at end" {
			c.Data = append(c.Data, 'x')
		}
		if p.s.fault == "end once" && p.ended {
			return nil
		}
		p.ended = true
		return io.EOF
	}
	if p.s.fault == "read" {
		return io.ErrClosedPipe
	}
	if p.s.fault == "empty chunk" && p.n == 1 {
		p.n++
		return nil
	}
	record := p.records[p.n]
	switch {
	case p.s.fault == "content" && p.n == 1:
		record = strings.Repeat("x", 300)
	case p.s.fault == "missing" && p.n == 1:
		p.n++
		return p.Read(ctx, c)
	}
	at := int64(3 * p.n)
	if p.s.fault == "offset" {
		at = 0
	}
	c.Offset, c.Next = at, at+3
	if p.s.spans {
		c.Spans = []event.Ref{{Off: uint32(len(c.Data)), Len: uint32(len(record))}}
		c.Offsets = []int64{at}
		switch p.s.fault {
		case "offsets":
			c.Offsets = nil
		case "span next":
			c.Next = at
		}
	} else {
		record += "\n"
	}
	c.Data = append(c.Data, record...)
	if p.s.fault == "next" {
		c.Next = at + 1
	}
	if p.s.fault == "fill" {
		c.Fill = func(*event.Batch) error { return nil }
	}
	p.n++
	p.token[0]++
	switch {
	case p.s.fault == "token reused":
		c.Token = p.token[:]
	case p.n == 1:
		c.Token = []byte(p.records[0][:1])
	}
	return nil
}

func (p *fakePartition) Peek(ctx context.Context, c *source.Chunk) error {
	switch p.s.fault {
	case "peek":
		return io.EOF
	case "peek moves":
		p.records = p.records[1:]
	}
	c.Data, c.Next = append(c.Data[:0], p.records[0]+"\n"...), 3
	return nil
}

func (p *fakePartition) Close() error {
	if p.s.fault == "close" {
		return io.ErrClosedPipe
	}
	return nil
}

// knower is a fake that knows its partitions by the first letter of their
// records.
type knower struct{ fake }

func (s *knower) Recognize(_ context.Context, parts []source.Partition, saved []source.Saved) (match, gone []int, err error) {
	for _, p := range parts {
		name := p.(*fakePartition).records[0][:1]
		match = append(match, slices.IndexFunc(saved, func(s source.Saved) bool { return string(s.Token) == name }))
	}
	switch s.fault {
	case "recognize":
		return nil, nil, io.ErrClosedPipe
	case "forgets":
		match = []int{-1, -1}
	case "one for both":
		match[1] = match[0]
	case "mixes":
		slices.Reverse(match)
	case "beyond":
		match[0] = len(saved)
	case "too few":
		match = match[1:]
	case "gone":
		gone = []int{0}
	}
	return match, gone, nil
}

var fakeRecords = []string{"a0", "a1", "b0", "b1"}

func TestRunPassesGoodSources(t *testing.T) {
	Run(t, func() source.Source { return &fake{} }, fakeRecords...)
	Run(t, func() source.Source { return &fake{spans: true} }, fakeRecords...)
	Run(t, func() source.Source { return &fake{fault: "once"} }, fakeRecords...)
	Run(t, func() source.Source { return &knower{fake: fake{}} }, fakeRecords...)
}

// Every fault is found by the check that is there for it.
func TestChecksFindFaults(t *testing.T) {
	for _, c := range []struct {
		fake  fake
		check string
	}{
		{fake{fault: "kind"}, "traits"},
		{fake{fault: "open"}, "records"},
		{fake{fault: "open partition"}, "records"},
		{fake{fault: "open partition"}, "resume"},
		{fake{fault: "open partition"}, "cancelled read"},
		{fake{fault: "open partition"}, "close in the middle"},
		{fake{fault: "read"}, "records"},
		{fake{fault: "read"}, "resume"},
		{fake{fault: "read"}, "cancelled read"},
		{fake{fault: "read"}, "peek"},
		{fake{fault: "read"}, "close in the middle"},
		{fake{fault: "content"}, "records"},
		{fake{fault: "missing"}, "records"},
		{fake{fault: "empty chunk"}, "records"},
		{fake{fault: "offset"}, "records"},
		{fake{fault: "next"}, "records"},
		{fake{fault: "records at end"}, "records"},
		{fake{fault: "end once"}, "records"},
		{fake{fault: "close"}, "records"},
		{fake{fault: "close"}, "close in the middle"},
		{fake{fault: "offsets", spans: true}, "records"},
		{fake{fault: "offset", spans: true}, "records"},
		{fake{fault: "span next", spans: true}, "records"},
		{fake{fault: "discover"}, "discover"},
		{fake{fault: "used chunk"}, "used chunk"},
		{fake{fault: "resume"}, "resume"},
		{fake{fault: "no resume"}, "resume"},
		{fake{fault: "cancel ignored"}, "cancelled read"},
		{fake{fault: "cancel loses"}, "cancelled read"},
		{fake{fault: "peek"}, "peek"},
		{fake{fault: "peek moves"}, "peek"},
	} {
		for _, check := range checks {
			if check.name != c.check {
				continue
			}
			err := check.check(t.Context(), suite{func() source.Source { f := c.fake; return &f }, fakeRecords})
			if err == nil || errors.Is(err, errSkip) {
				t.Errorf("check %q passes a source with the fault %q: %v", c.check, c.fake.fault, err)
			}
		}
	}
}

// A knower that mistakes one partition for another is told by what is read.
func TestRecognizeFindsFaults(t *testing.T) {
	for _, fault := range []string{"recognize", "forgets", "one for both", "mixes", "beyond", "too few", "gone", "token reused", "no resume"} {
		err := checkRecognize(t.Context(), suite{func() source.Source { return &knower{fake{fault: fault}} }, fakeRecords})
		if err == nil || errors.Is(err, errSkip) {
			t.Errorf("a Recognizer with the fault %q passes: %v", fault, err)
		}
	}
}

func TestChecksSkipWhatDoesNotApply(t *testing.T) {
	for fault, check := range map[string]func(context.Context, suite) error{"once": checkResume, "fill": checkRecords, "": checkRecognize} {
		err := check(t.Context(), suite{func() source.Source { return &fake{fault: fault} }, fakeRecords})
		if !errors.Is(err, errSkip) {
			t.Errorf("%s: %v, want it skipped", fault, err)
		}
	}
}
