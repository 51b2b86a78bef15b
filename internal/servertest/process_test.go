package servertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sleeper is a shell that waits for another process.
func sleeper(t *testing.T) (p *Process, child int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("processes that a process has started are found on Linux alone")
	}
	log := filepath.Join(t.TempDir(), "log")
	p, err := Start(exec.CommandContext(context.Background(), "sh", "-c", "sleep 600 & echo $!; wait"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	err = p.Answers(func(context.Context) error {
		text, err := os.ReadFile(log)
		if err == nil {
			child, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, child
}

// state is a process's, as the kernel tells it: "" when it is gone.
func state(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(text), ") ")
	if after[:1] == "Z" {
		return "" // ended, and nobody has asked yet
	}
	return after[:1]
}

func becomes(t *testing.T, pid int, want ...string) {
	t.Helper()
	for end := time.Now().Add(Patience); ; {
		got := state(pid)
		for _, w := range want {
			if got == w {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("process %d is in state %q, want one of %q", pid, got, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestPauseAndKillMeanAll(t *testing.T) {
	p, child := sleeper(t)
	p.Pause()
	becomes(t, p.cmd.Process.Pid, "T")
	becomes(t, child, "T")
	p.Continue()
	becomes(t, p.cmd.Process.Pid, "S", "R")
	becomes(t, child, "S", "R")
	p.Kill()
	if p.Running() {
		t.Error("it runs")
	}
	becomes(t, child, "")
	p.Kill()
	p.Pause()
	p.Continue()
	p.End(syscall.SIGTERM)
}

func TestEndOfAPausedProcess(t *testing.T) {
	p, child := sleeper(t)
	p.Pause()
	p.End(syscall.SIGTERM)
	if p.Running() {
		t.Error("it runs")
	}
	_ = syscall.Kill(child, syscall.SIGKILL) // a shell does not pass it on
}

func TestChildrenEndWithUs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a process with another")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), helperFolder+"="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, convErr := strconv.Atoi(strings.TrimSpace(line))
	if err = errors.Join(err, convErr); err != nil {
		t.Fatal(err)
	}
	// Its threads come and go, and the child stays.
	runtime.GC()
	if got := state(pid); got == "" {
		t.Errorf("the child has ended before us")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	becomes(t, pid, "")
}

func TestAnswersOfWhatEnds(t *testing.T) {
	dir := t.TempDir()
	p, err := Start(exec.CommandContext(t.Context(), "sh", "-c", "echo why >&2"), dir+"/log")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Answers(func(context.Context) error { return errors.New("no") }); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("it says %v", err)
	}
	if text, _ := os.ReadFile(dir + "/log"); string(text) != "why\n" {
		t.Errorf("the log is %q", text)
	}
	if _, err := Start(exec.CommandContext(t.Context(), dir+"/nothing"), dir+"/log"); err == nil {
		t.Error("what is not there starts")
	}
	var none *Process
	if none.Running() {
		t.Error("nothing runs")
	}
	if _, err := Run(exec.CommandContext(t.Context(), "sh", "-c", "echo why; exit 3")); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("a program that fails says %v", err)
	}
}
