package engine

// timer is due when the watermark reaches at; seq and then tie order those
// due together.
type timer[T any] struct {
	at, seq, tie int64
	what         T
}

// timers is a binary heap, earliest first.
type timers[T any] []timer[T]

func (h timers[T]) before(i, j int) bool {
	a, b := &h[i], &h[j]
	if a.at != b.at {
		return a.at < b.at
	}
	return a.seq < b.seq || a.seq == b.seq && a.tie < b.tie
}

func (h *timers[T]) push(t timer[T]) {
	*h = append(*h, t)
	s := *h
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.before(i, parent) {
			break
		}
		s[i], s[parent] = s[parent], s[i]
		i = parent
	}
}

func (h *timers[T]) pop() timer[T] {
	s := *h
	top, last := s[0], len(s)-1
	s[0] = s[last]
	s[last] = timer[T]{}
	s = s[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if s.before(child, least) {
				least = child
			}
		}
		if least == i {
			break
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
	*h = s
	return top
}
