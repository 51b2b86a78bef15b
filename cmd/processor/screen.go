package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
)

const (
	// redrawEvery is how often the progress line changes.
	redrawEvery = 500 * time.Millisecond
	// clearLine returns to the beginning of a terminal's line and empties it.
	clearLine = "\r\x1b[K"
	// lineWidth fits the narrowest usual terminal: a line that wraps could
	// not be cleared.
	lineWidth = 79
)

// screen shares a terminal between results on stdout, the log on stderr and a
// progress line that is always the last.
type screen struct {
	out, err io.Writer

	mu    sync.Mutex
	drawn bool
	// writing is how many writes are under way; nothing is drawn meanwhile.
	writing int
}

// screenWriter writes to w after the progress line was cleared. The lock is
// not held while it writes: a reader of stdout that has stopped must not keep
// the log from telling so.
type screenWriter struct {
	s *screen
	w io.Writer
}

func (s *screen) stdout() io.Writer { return screenWriter{s, s.out} }
func (s *screen) stderr() io.Writer { return screenWriter{s, s.err} }

// Write clears the progress line and writes.
func (w screenWriter) Write(p []byte) (int, error) {
	w.s.begin()
	defer w.s.end()
	return w.w.Write(p)
}

func (s *screen) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing++
	s.clear()
}

func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing--
}

func (s *screen) clear() {
	if s.drawn {
		_, _ = io.WriteString(s.err, clearLine)
		s.drawn = false
	}
}

func (s *screen) draw(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing > 0 {
		return
	}
	if r := []rune(line); len(r) > lineWidth {
		line = string(r[:lineWidth])
	}
	_, _ = io.WriteString(s.err, clearLine+line)
	s.drawn = true
}

// follow redraws the progress until finish is called, which clears the line.
func (s *screen) follow(progress func() pipeline.Summary) (finish func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(redrawEvery)
		defer tick.Stop()
		var rate rateMeter
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				p := progress()
				s.draw(progressLine(p, rate.update(p)))
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		s.mu.Lock()
		defer s.mu.Unlock()
		s.clear()
	}
}

// rateMeter is the rate of events, smoothed over the last few redraws.
type rateMeter struct {
	events  int64
	elapsed time.Duration
	rate    float64
}

func (m *rateMeter) update(p pipeline.Summary) float64 {
	if d := (p.Elapsed - m.elapsed).Seconds(); d > 0 {
		now := float64(p.Events-m.events) / d
		if m.elapsed == 0 {
			m.rate = now
		}
		m.rate += (now - m.rate) / 3
	}
	m.events, m.elapsed = p.Events, p.Elapsed
	return m.rate
}

func progressLine(p pipeline.Summary, rate float64) string {
	parts := []string{
		count(p.Events) + " events",
		count(int64(rate)) + "/s",
		count(p.Results) + " results",
		count(p.Late) + " late",
		count(p.Dead+p.Refused) + " dead",
		"at " + eventTime(p.Watermark),
	}
	return strings.Join(parts, "  ")
}

// count writes a number with commas.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
