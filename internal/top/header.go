package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
)

// header is what is said of the pipeline as a whole: three lines, and one more
// for each trouble; width 0 is any, and draws no curve.
func (m *Model) header(width int) []string {
	s := m.status
	if s == nil {
		return append([]string{m.Look.paint(strong, "processor top")}, m.troubles(width)...)
	}
	curve := ""
	if width > 0 { // as wide as the terminal has to spare
		curve = " " + m.Look.paint(good, m.Look.spark(m.curve, min(max(width-76, 8), 60)))
	}
	first := m.Look.paint(strong, m.Look.clean(s.Name)) + "  " + m.phase() + "  up " + ago(s.Started, s.Now) +
		"  " + rate(m.rates.events) + " events/s" + curve +
		"  " + rate(m.rates.results) + " results/s"
	lines := []string{first, m.watermark(width), m.totals()}
	return append(lines, m.troubles(width)...)
}

// phase is the phase in its colour.
func (m *Model) phase() string {
	t := warning
	switch {
	case m.err != nil:
		return m.Look.paint(bad, "no answer")
	case m.status.Phase == pipeline.Running:
		t = good
	}
	return m.Look.paint(t, m.Look.clean(string(m.status.Phase)))
}

// watermark says how far event time has come, and what holds it since when.
func (m *Model) watermark(width int) string {
	s := m.status
	if s.Watermark == nil {
		return "watermark -  no partition counts yet"
	}
	text := "watermark " + eventTime(s.Watermark, s.Now)
	if lag := watermarkLag(s.Watermark, s.Now); lag != "" {
		text += "  lag " + lag
	}
	if s.HeldBy != "" {
		holder := m.Look.clean(s.HeldBy)
		if width > 0 {
			holder = m.Look.clip(holder, max(width-52, 12))
		}
		text += "  held by " + holder
	}
	if s.WatermarkSince != nil {
		text += " since " + clockTime(*s.WatermarkSince, s.Now) + " (" + ago(*s.WatermarkSince, s.Now) + ")"
	}
	return text
}

// watermarkLag is empty for a watermark at the end of time.
func watermarkLag(watermark *time.Time, now time.Time) string {
	if watermark == nil || dateTime(watermark) == "the end" {
		return ""
	}
	return span(now.Sub(*watermark))
}

// totals counts what the run has read, and for what reading has waited.
func (m *Model) totals() string {
	s := m.status
	var results, late int64
	for i := range s.Queries {
		results += resultsOf(&s.Queries[i])
		late += s.Queries[i].Ledger.Late
	}
	text := short(s.Events) + " events  " + short(results) + " results  " +
		m.Look.paint(toneOf(late), short(late)+" late") + "  " + m.Look.paint(toneOf(s.Dead+s.Refused), short(s.Dead+s.Refused)+" dead")
	var waited []string
	for _, what := range []string{"workers", "alignment", "outbox"} {
		if v := s.Waited[what]; v >= 0.001 {
			waited = append(waited, what+" "+seconds(v))
		}
	}
	if len(waited) > 0 {
		text += "  waited for " + strings.Join(waited, ", ")
	}
	return text
}

// toneOf warns of what should be none.
func toneOf(n int64) tone {
	if n > 0 {
		return warning
	}
	return usual
}

// maxTroubles is how many lines troubles may take from the rest.
const maxTroubles = 6

// troubles are the lines that must not be missed, each at most two of the
// screen.
func (m *Model) troubles(width int) []string {
	var lines []string
	say := func(t tone, text string) {
		parts := []string{"! " + text}
		if width > 0 {
			parts = m.Look.wrap(parts[0], width-indent)
		}
		for i, part := range parts[:min(len(parts), 2)] {
			if i > 0 {
				part = "  " + part
			}
			lines = append(lines, m.Look.paint(t, part))
		}
	}
	now, s := m.Now(), m.status
	if m.err != nil {
		say(bad, fmt.Sprintf("no answer since %s (%s), still asking: %s", clockTime(m.lost, now), ago(m.lost, now), m.Look.clean(m.err.Error())))
	}
	if m.paused {
		say(warning, fmt.Sprintf("the display stands still since %s: p goes on", clockTime(m.stood, now)))
	}
	if s == nil {
		return lines
	}
	trouble := func(who string, since *time.Time, text string) {
		say(bad, fmt.Sprintf("%s since %s (%s): %s", who, clockTime(*since, s.Now), ago(*since, s.Now), m.Look.clean(text)))
	}
	if s.Source.Since != nil {
		trouble("the source is in trouble", s.Source.Since, s.Source.Error)
	}
	for i := range s.Sinks {
		k := &s.Sinks[i]
		name := m.Look.clip(m.Look.clean(k.Name), 30)
		switch {
		case k.Failed:
			say(bad, "sink "+name+" has refused rows for good, the run ends: "+m.Look.clean(k.Trouble.Error))
		case k.Trouble.Since != nil:
			trouble("sink "+name+" is in trouble", k.Trouble.Since, k.Trouble.Error)
		}
	}
	return lines[:min(len(lines), maxTroubles)]
}
