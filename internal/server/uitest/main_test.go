// Package uitest holds the live page against a real browser. The page's files
// are served as the processor serves them, with data that a test makes up.
package uitest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
