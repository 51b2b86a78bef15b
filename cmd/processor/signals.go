package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// echoTime is how soon after the first signal another one is taken for the
// same: supervisors such as timeout(1) signal a process and then its group.
const echoTime = 100 * time.Millisecond

// signals returns a context that ends with the first SIGINT, SIGTERM or SIGHUP,
// for the pipeline to drain. The second one ends the process. stop gives the
// signals back.
func (c *command) signals(log *slog.Logger) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	came := make(chan os.Signal, 2)
	signal.Notify(came, os.Interrupt, syscall.SIGTERM)
	// A terminal that closes is no reason to lose what was read, and nohup is
	// there to have it ignored.
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(came, syscall.SIGHUP)
	}
	// A reader of stdout that goes away is a failed write, not a silent end:
	// the other sinks are still flushed and closed.
	signal.Ignore(syscall.SIGPIPE)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case s := <-came:
			cancel()
			promptly(func() {
				log.Info("stopping: what was read is delivered first; a second signal stops at once", "signal", s.String())
			})
		case <-quit:
			return
		}
		first := time.Now()
		for {
			select {
			case s := <-came:
				if time.Since(first) < echoTime {
					continue
				}
				promptly(func() { log.Error("stopped by a second signal; results may be missing", "signal", s.String()) })
				c.exit(exitFailure)
				return
			case <-quit:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(came)
		signal.Reset(syscall.SIGPIPE)
		close(quit)
		<-done
		cancel()
	}
}

// promptly calls f and waits for it, but not long: who signals a process may
// have stopped reading its log.
func promptly(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
}
