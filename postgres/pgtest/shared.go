package pgtest

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/internal/servertest"
)

// shared is the server of all tests that leave it as it is.
var shared servertest.Shared[*Server]

// Shared is one server for all tests of a package, started by the first that
// asks for it. Tests keep to databases of their own, and leave it running.
// Main, or CloseShared, ends it.
func Shared(t testing.TB) *Server {
	t.Helper()
	server, err := shared.Get(func() (*Server, error) { return Run() })
	if err != nil {
		missing(t, err)
	}
	return server
}

// CloseShared ends the shared server, if there is one.
func CloseShared() { shared.Close() }

// Main runs the tests of a package, ends the shared server, and fails if
// goroutines are left over. It returns the code to exit with:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
func Main(m *testing.M, options ...goleak.Option) int {
	return servertest.Main(m, CloseShared, options...)
}
