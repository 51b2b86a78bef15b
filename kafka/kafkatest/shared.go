package kafkatest

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/internal/servertest"
)

// shared is the broker of all tests that leave it as it is.
var shared servertest.Shared[*Broker]

// Shared is one broker for all tests of a package, started by the first that
// asks for it. Tests keep to topics of their own, and leave it running. Main,
// or CloseShared, ends it.
func Shared(t testing.TB) *Broker {
	t.Helper()
	broker, err := shared.Get(func() (*Broker, error) { return Run() })
	if err != nil {
		missing(t, err)
	}
	return broker
}

// CloseShared ends the shared broker, if there is one.
func CloseShared() { shared.Close() }

// Main runs the tests of a package, ends the shared broker, and fails if
// goroutines are left over. It returns the code to exit with:
//
//	func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }
func Main(m *testing.M, options ...goleak.Option) int {
	return servertest.Main(m, CloseShared, options...)
}
