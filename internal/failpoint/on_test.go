//go:build failpoint

package failpoint

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// childVar makes the test binary a child that walks along points.
const childVar = "PROCESSOR_FAILPOINT_CHILD"

// TestWalk is no test but the child of the others: the environment of a process
// counts once, so each walk needs a process of its own.
func TestWalk(t *testing.T) {
	if os.Getenv(childVar) == "" {
		t.Skip("it is run as a child of the tests below")
	}
	for _, name := range []string{"a", "b", "a", "ab", "a"} {
		At(name)
	}
}

// walk runs the child and says what killed it, 0 if nothing did, and which
// points it came to.
func walk(t *testing.T, at string) (by syscall.Signal, points string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWalk$")
	child.Env = append(os.Environ(), childVar+"=1", killVar+"="+at, logVar+"="+log)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled():
		by = exit.Sys().(syscall.WaitStatus).Signal()
	case err != nil:
		t.Fatalf("the child ends with %v\n%s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return by, strings.Join(strings.Fields(string(text)), " ")
}

func TestTheProcessIsKilledAtItsPoint(t *testing.T) {
	for _, c := range []struct {
		at     string
		by     syscall.Signal
		points string
	}{
		{"a:1", syscall.SIGKILL, "a"},
		{"a:2", syscall.SIGKILL, "a b a"},
		{"a:3", syscall.SIGKILL, "a b a ab a"},
		{"b:1", syscall.SIGKILL, "a b"},
		{"ab:1", syscall.SIGKILL, "a b a ab"},
		{"a:4", 0, "a b a ab a"},
		{"b:2", 0, "a b a ab a"},
		{"c:1", 0, "a b a ab a"},
		{"a:0", 0, "a b a ab a"},
		{"", 0, "a b a ab a"},
	} {
		if by, points := walk(t, c.at); by != c.by || points != c.points {
			t.Errorf("%q: killed by %d after %q, want %d after %q", c.at, by, points, c.by, c.points)
		}
	}
}

func TestOneBugIsPlanted(t *testing.T) {
	bugs := []string{SkipSync, TrimEarly, PositionFirst, DropDelta, ForgetWatermark}
	for _, planted := range append(bugs, "") {
		t.Setenv(bugVar, planted)
		for _, bug := range bugs {
			if Planted(bug) != (bug == planted) {
				t.Errorf("with %q in the environment Planted(%q) is %v", planted, bug, Planted(bug))
			}
		}
	}
}
