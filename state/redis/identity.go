package redis

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
)

// identity tells instances apart: two in the same process have different ones.
// Boot, namespace, pid and start say which process it is, so that another on
// the same machine can see whether it still runs; they are "-" where the
// system does not tell.
type identity struct {
	host, pid, start, boot, namespace, random string
}

func newIdentity() identity {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "-"
	}
	id := identity{host: host, pid: fmt.Sprint(os.Getpid()), random: rand.Text()}
	id.start, _ = startOf(id.pid)
	id.boot, id.namespace = machine()
	return id
}

// String is the identity as the server keeps it.
func (id identity) String() string {
	return strings.Join([]string{id.host, id.pid, id.start, id.boot, id.namespace, id.random}, " ")
}

func parseIdentity(text string) (id identity, ok bool) {
	f := strings.Split(text, " ")
	if len(f) != 6 {
		return identity{host: text}, false
	}
	return identity{f[0], f[1], f[2], f[3], f[4], f[5]}, true
}

// describe is for messages.
func (id identity) describe() string {
	if id.pid == "" {
		return fmt.Sprintf("%q", id.host)
	}
	return fmt.Sprintf("process %s on host %s", id.pid, id.host)
}

// gone reports whether the process of another identity has certainly ended.
// That can be told only where both see the same processes: on the same machine
// since it was started, and in the same container.
func (id identity) gone(other identity) bool {
	if id.boot == "-" || id.namespace == "-" || id.boot != other.boot || id.namespace != other.namespace {
		return false
	}
	start, known := startOf(other.pid)
	return known && start != other.start
}

// machine returns what identifies this run of the machine, and the namespace
// in which process ids are counted.
func machine() (boot, namespace string) {
	boot, namespace = "-", "-"
	if text, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		boot = strings.TrimSpace(string(text))
	}
	if link, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		namespace = link
	}
	return boot, namespace
}

// startOf returns when a process was started, in ticks since the machine was,
// or "-" if there is none or it has ended and only its parent has not noticed.
// known is false if the system does not tell.
func startOf(pid string) (start string, known bool) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return "-", false
	}
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return "-", os.IsNotExist(err)
	}
	// The second field is the name of the program, in parentheses, and may
	// hold anything.
	_, after, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	f := strings.Fields(after) // from the third field on
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return "-", len(f) >= 20
	}
	return f[19], true
}
