//go:build !failpoint

package failpoint

import "testing"

// The program that is shipped cannot be told to die or to lose rows.
func TestTheEnvironmentSaysNothing(t *testing.T) {
	t.Setenv("PROCESSOR_FAILPOINT", "here:1")
	At("here")
	for _, bug := range []string{SkipSync, TrimEarly, PositionFirst, DropDelta, ForgetWatermark, ""} {
		t.Setenv("PROCESSOR_PLANTED_BUG", bug)
		if Planted(bug) {
			t.Errorf("the bug %q is planted", bug)
		}
	}
}
