package servertest

import (
	"fmt"
	"os"

	"go.uber.org/goleak"
)

// Main runs the tests of a package, ends what they share, looks for goroutines
// that are left over, and returns the code to exit with.
func Main(m goleak.TestingM, end func(), options ...goleak.Option) int {
	code := m.Run()
	end()
	if code != 0 {
		return code
	}
	if err := goleak.Find(options...); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left over:", err)
		return 1
	}
	return 0
}
