package metrics

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// root is the file system of the machine.
var root = os.DirFS("/")

// memoryBound is the least of GOMEMLIMIT, the limits of our control groups and
// what the machine has, or 0 where nothing is known.
func memoryBound(files fs.FS) int64 {
	bound := debug.SetMemoryLimit(-1)
	for _, limit := range append(groupLimits(files), machineMemory(files)) {
		if limit > 0 {
			bound = min(bound, limit)
		}
	}
	if bound == math.MaxInt64 {
		return 0
	}
	return bound
}

// groupLimits reads the limits of the control groups that we are in, of version 1
// or 2, and of those above them. Within a container they are at the root.
func groupLimits(files fs.FS) (limits []int64) {
	add := func(folder, file, group string) {
		for group = path.Clean("/" + group); ; group = path.Dir(group) {
			limits = append(limits, number(files, path.Join(folder, group, file)))
			if group == "/" {
				return
			}
		}
	}
	text, _ := fs.ReadFile(files, "proc/self/cgroup") // there is none on other systems
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) < 3:
		case parts[0] == "0" && parts[1] == "":
			add("sys/fs/cgroup", "memory.max", parts[2])
		case strings.Contains(","+parts[1]+",", ",memory,"):
			add("sys/fs/cgroup/memory", "memory.limit_in_bytes", parts[2])
		}
	}
	return limits
}

// number reads a file that holds a number alone; anything else, such as max, is
// no limit.
func number(files fs.FS, name string) int64 {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// machineMemory is all the memory there is, as Linux tells it.
func machineMemory(files fs.FS) int64 {
	f, err := files.Open("proc/meminfo")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }() // it was only read
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			kib, _ := strconv.ParseInt(fields[1], 10, 53) // 0: not known
			return kib << 10
		}
	}
	return 0
}

// memoryInUse is the resident set, or what Go has from the system.
func memoryInUse(files fs.FS) int64 {
	text, err := fs.ReadFile(files, "proc/self/statm")
	if fields := bytes.Fields(text); err == nil && len(fields) > 1 {
		if pages, err := strconv.ParseInt(string(fields[1]), 10, 48); err == nil {
			return pages * int64(os.Getpagesize())
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
