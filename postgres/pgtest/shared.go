package pgtest

import (
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/internal/servertest"
)

// shared is the server of all tests that leave it as it is.
var shared struct {
	sync.Mutex
	asked  bool
	server *Server
	err    error
}

// Shared is one server for all tests of a package, started by the first that
// asks for it. Tests keep to databases of their own, and leave it running.
// Main, or CloseShared, ends it.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.asked {
		shared.asked = true
		shared.server, shared.err = Run()
	}
	if shared.err != nil {
		missing(t, shared.err)
	}
	return shared.server
}

// CloseShared ends the shared server, if there is one.
func CloseShared() {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.Close()
	}
	shared.asked, shared.server, shared.err = false, nil, nil
}

// Main runs the tests of a package, ends the shared server, and fails if
// goroutines are left over. It returns the code to exit with:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
func Main(m *testing.M, options ...goleak.Option) int {
	return servertest.Main(m, CloseShared, options...)
}
