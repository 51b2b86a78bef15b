package refmodel

import (
	"fmt"
	"math/big"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/window"
)

// bounds are a window's, half open.
type bounds struct{ start, end int64 }

// assigner returns the windows of a time, or false when a bound of one of them
// is beyond what can be written; nil for sessions, which depend on what is there.
func assigner(s window.Spec) (func(int64) ([]bounds, bool), error) {
	switch s.Kind {
	case window.KindTumbling:
		return func(t int64) ([]bounds, bool) { return sliding(t, s.Size, s.Size, s.Offset) }, nil
	case window.KindSliding:
		return func(t int64) ([]bounds, bool) { return sliding(t, s.Size, s.Slide, s.Offset) }, nil
	case window.KindCalendar:
		return calendar(s.Unit, s.Zone)
	case window.KindGlobal:
		return func(int64) ([]bounds, bool) { return []bounds{{event.MinTime, event.MaxTime}}, true }, nil
	case window.KindSession:
		return nil, nil
	default:
		return nil, fmt.Errorf("no windows of kind %d", s.Kind)
	}
}

// sliding lists the windows that hold t, in unbounded integers: starts are
// "floor((t − offset) / slide)·slide + offset, floor also for negative t" and
// every slide before, as long as the window reaches t.
func sliding(t int64, size, slide, offset time.Duration) ([]bounds, bool) {
	at, width := big.NewInt(t), big.NewInt(int64(size))
	step, off := big.NewInt(int64(slide)), big.NewInt(int64(offset))
	start := new(big.Int).Sub(at, off)
	// Div of math/big rounds down for a positive divisor.
	start.Div(start, step).Mul(start, step).Add(start, off)
	var all []bounds
	for {
		end := new(big.Int).Add(start, width)
		if end.Cmp(at) <= 0 {
			return all, true
		}
		if !isTime(start) || !isTime(end) {
			return nil, false
		}
		all = append(all, bounds{start.Int64(), end.Int64()})
		start = new(big.Int).Sub(start, step)
	}
}

// isTime says whether a bound fits into int64 nanoseconds, whose ends stand for
// no bound.
func isTime(x *big.Int) bool {
	return x.IsInt64() && x.Int64() != event.MinTime && x.Int64() != event.MaxTime
}
