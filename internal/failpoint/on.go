//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The environment of the process decides, once.
const (
	// killVar is NAME:K: the process is killed when it comes to the point of
	// that name for the K-th time.
	killVar = "PROCESSOR_FAILPOINT"
	// logVar is a file that gets the name of each point that is reached.
	logVar = "PROCESSOR_FAILPOINT_LOG"
	// bugVar is the name of the bug that is planted.
	bugVar = "PROCESSOR_PLANTED_BUG"
)

type points struct {
	mu   sync.Mutex
	name string
	left int
	log  *os.File
}

var active = sync.OnceValue(func() *points {
	p := &points{}
	name, k, _ := strings.Cut(os.Getenv(killVar), ":")
	p.name = name
	p.left, _ = strconv.Atoi(k)
	if path := os.Getenv(logVar); path != "" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			p.log = f
		}
	}
	return p
})

// At kills the process with SIGKILL if it was asked to do that here.
func At(name string) {
	p := active()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.log != nil {
		_, _ = p.log.WriteString(name + "\n")
	}
	if name != p.name {
		return
	}
	if p.left--; p.left == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	}
}

// Planted reports whether a bug is planted.
func Planted(bug string) bool { return os.Getenv(bugVar) == bug }
