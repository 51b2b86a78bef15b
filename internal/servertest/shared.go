package servertest

import "sync"

// Shared is one server for all tests of a package. The zero Shared has none
// yet.
type Shared[S interface {
	comparable
	Close()
}] struct {
	mu     sync.Mutex
	asked  bool
	server S
	err    error
}

// Get returns the server, which the first call starts with run; if that failed,
// every call returns its error.
func (s *Shared[S]) Get(run func() (S, error)) (S, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked {
		s.asked = true
		s.server, s.err = run()
	}
	return s.server, s.err
}

// Close ends the server, if there is one; Get then starts another.
func (s *Shared[S]) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var none S
	if s.server != none {
		s.server.Close()
	}
	s.asked, s.server, s.err = false, none, nil
}
