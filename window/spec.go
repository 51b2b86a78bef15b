// Package window says which windows an event belongs to and when they fire.
// It is pure: no goroutine, no clock, no lock.
package window

import (
	"time"
)

// Kind is the kind of a window assigner.
type Kind uint8

// The window kinds.
const (
	KindTumbling Kind = iota + 1
	KindSliding
	KindSession
	KindCalendar
	KindGlobal
)

// String is the kind's name in a config.
func (k Kind) String() string {
	return [...]string{"none", "tumbling", "sliding", "session", "calendar", "global"}[k]
}

// Unit is the length of a calendar window.
type Unit string

// The calendar units. Weeks start on Monday.
const (
	Day   Unit = "day"
	Week  Unit = "week"
	Month Unit = "month"
)

// Spec is a window assigner as plain data. The zero Spec is invalid.
type Spec struct {
	Kind Kind
	// Size is the length of tumbling and sliding windows, Slide the distance
	// of sliding ones' starts, Gap what ends a session.
	Size, Slide, Gap time.Duration
	// Offset moves the starts of tumbling and sliding windows away from the
	// epoch; it may be negative.
	Offset time.Duration
	// Unit and Zone belong to calendar windows. Zone is an IANA name.
	Unit Unit
	Zone string
}

// Fixed reports whether windows have bounds that are known from the start: not
// so sessions, which grow, and the global one, which has none.
func (s Spec) Fixed() bool { return s.Kind != KindSession && s.Kind != KindGlobal }

// Tumbling windows follow each other without gaps.
func Tumbling(size time.Duration) Spec { return Spec{Kind: KindTumbling, Size: size} }

// Sliding windows of a size start every slide. A slide longer than the size
// leaves gaps.
func Sliding(size, slide time.Duration) Spec {
	return Spec{Kind: KindSliding, Size: size, Slide: slide}
}

// Session windows grow as long as events of their key are at most gap apart.
func Session(gap time.Duration) Spec { return Spec{Kind: KindSession, Gap: gap} }

// Calendar windows are the days, weeks or months of a time zone.
func Calendar(unit Unit, zone string) Spec {
	return Spec{Kind: KindCalendar, Unit: unit, Zone: zone}
}

// Global is one window for all time.
func Global() Spec { return Spec{Kind: KindGlobal} }

// WithOffset moves the windows' starts.
func (s Spec) WithOffset(d time.Duration) Spec { s.Offset = d; return s }

// Trigger says when a window fires beside, or instead of, the watermark.
type Trigger struct {
	// Count fires after every n events of the window and key; 0 is off.
	Count uint64
	// Every fires at wall-clock multiples of the duration; 0 is off.
	Every time.Duration
	// NoOnTime switches the firings by the watermark and by the end of the
	// input off, and late ones but by Count and Every.
	NoOnTime bool
}

// Accumulation says what a firing holds.
type Accumulation uint8

const (
	// Accumulating firings hold everything so far.
	Accumulating Accumulation = iota
	// Discarding firings hold what is new since the last one.
	Discarding
)

// String is the name in a config.
func (a Accumulation) String() string { return [...]string{"accumulating", "discarding"}[a] }
