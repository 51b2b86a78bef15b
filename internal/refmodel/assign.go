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

// assigner returns the windows of a time; nil for sessions, which depend on
// what is there.
func assigner(s window.Spec) (func(int64) []bounds, error) {
	switch s.Kind {
	case window.KindTumbling:
		return func(t int64) []bounds { return sliding(t, s.Size, s.Size, s.Offset) }, nil
	case window.KindSliding:
		return func(t int64) []bounds { return sliding(t, s.Size, s.Slide, s.Offset) }, nil
	case window.KindCalendar:
		return calendar(s.Unit, s.Zone)
	case window.KindGlobal:
		return func(int64) []bounds { return []bounds{{event.MinTime, event.MaxTime}} }, nil
	case window.KindSession:
		return nil, nil
	default:
		return nil, fmt.Errorf("no windows of kind %d", s.Kind)
	}
}

// sliding lists the windows that hold t, in unbounded integers: starts are
// "floor((t − offset) / slide)·slide + offset, floor also for negative t" and
// every slide before, as long as the window reaches t.
func sliding(t int64, size, slide, offset time.Duration) []bounds {
	at, width := big.NewInt(t), big.NewInt(int64(size))
	step, off := big.NewInt(int64(slide)), big.NewInt(int64(offset))
	start := new(big.Int).Sub(at, off)
	// Div of math/big rounds down for a positive divisor.
	start.Div(start, step).Mul(start, step).Add(start, off)
	var all []bounds
	for {
		end := new(big.Int).Add(start, width)
		if end.Cmp(at) <= 0 {
			return all
		}
		all = append(all, bounds{clip(start), clip(end)})
		start = new(big.Int).Sub(start, step)
	}
}

// clip returns the nearest int64.
func clip(x *big.Int) int64 {
	switch {
	case x.IsInt64():
		return x.Int64()
	case x.Sign() < 0:
		return event.MinTime
	default:
		return event.MaxTime
	}
}
