package engine

// ranges is a set of whole numbers as runs that neither overlap nor touch, in
// order. Windows are scheduled pane by pane, each pane naming a run of up to
// thousands of them, nearly all of which are scheduled already.
type ranges []run

// run is the numbers from first to last.
type run struct{ first, last int64 }

// add puts first to last into the set and calls each for those that were not
// in it.
func (r *ranges) add(first, last int64, each func(int64)) {
	s := *r
	at := len(s)
	for at > 0 && s[at-1].last >= first-1 {
		at--
	}
	// Runs at to end-1 overlap or touch the new one, and become one with it.
	merged, end, next := run{first, last}, at, first
	for ; end < len(s) && s[end].first <= last+1; end++ {
		for ; next < s[end].first; next++ {
			each(next)
		}
		next = max(next, s[end].last+1)
		merged.first, merged.last = min(merged.first, s[end].first), max(merged.last, s[end].last)
	}
	for ; next <= last; next++ {
		each(next)
	}
	switch {
	case end > at: // the usual case: the newest run grows
		s[at] = merged
		s = append(s[:at+1], s[end:]...)
	default:
		s = append(s, run{})
		copy(s[at+1:], s[at:])
		s[at] = merged
	}
	*r = s
}

// drop takes everything up to last out of the set.
func (r *ranges) drop(last int64) {
	s := *r
	n := 0
	for n < len(s) && s[n].last <= last {
		n++
	}
	s = append(s[:0], s[n:]...)
	if len(s) > 0 {
		s[0].first = max(s[0].first, last+1)
	}
	*r = s
}
