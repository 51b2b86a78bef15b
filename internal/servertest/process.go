package servertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Patience is how long a server may take to start, to answer or to end.
const Patience = 2 * time.Minute

// Process is a server's process. On Linux it ends with ours, however that ends.
type Process struct {
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
	paused []int
}

// Start starts a program. What it says is added to the file named log.
func Start(cmd *exec.Cmd, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	endWithUs(cmd)
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(out, started)
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return p, nil
}

func (p *Process) run(out *os.File, started chan<- error) {
	defer close(p.done)
	defer func() { _ = out.Close() }() // the child has its own
	// The kernel ends a child with the thread that has started it, so that
	// thread has to be there as long as the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait() // why it has ended stands in its log
	}
}

// Run runs a program to its end and returns what it says.
func Run(cmd *exec.Cmd) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	endWithUs(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("running %s: %w\n%s", cmd.Path, err, out)
	}
	return out, nil
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// End sends a signal that ends the process, and waits until it has. A process
// that does not heed it is killed.
func (p *Process) End(sig syscall.Signal) {
	if !p.Running() {
		return
	}
	_ = p.cmd.Process.Signal(sig) // it may have ended meanwhile
	p.Continue()
	late := time.AfterFunc(Patience, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	<-p.done
}

// Kill ends the process and those that it has started, all at once and without
// a word.
func (p *Process) Kill() {
	if !p.Running() {
		return
	}
	p.Pause() // so that none starts another
	for _, pid := range p.paused {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended meanwhile
	}
	p.paused = nil
	<-p.done
}

// Pause stops the process and those that it has started in their tracks.
func (p *Process) Pause() {
	if !p.Running() {
		return
	}
	stopped := map[int]bool{}
	p.stop(p.cmd.Process.Pid, stopped)
	// What is stopped starts nothing more, so this comes to an end.
	for more := true; more; {
		more = false
		for _, pid := range descendants(p.cmd.Process.Pid) {
			if !stopped[pid] {
				p.stop(pid, stopped)
				more = true
			}
		}
	}
}

func (p *Process) stop(pid int, stopped map[int]bool) {
	_ = syscall.Kill(pid, syscall.SIGSTOP) // it may have ended meanwhile
	stopped[pid] = true
	p.paused = append(p.paused, pid)
}

// Continue lets a paused process go on.
func (p *Process) Continue() {
	if !p.Running() {
		return
	}
	for _, pid := range p.paused {
		_ = syscall.Kill(pid, syscall.SIGCONT) // somebody may have killed it
	}
	p.paused = nil
}

// Answers asks the server until it answers without an error, has ended, or
// there is no patience left.
func (p *Process) Answers(ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-p.done:
			return errors.New("the process has ended")
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", err)
		}
	}
}
