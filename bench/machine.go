package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// describeMachine says where the figures come from, and how busy it was
// before.
func describeMachine() string {
	return fmt.Sprintf("%s, %d CPUs, %s/%s, %s, load average %s.",
		cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, goVersion(), loadAverage())
}

// loadAverage is that of the last minute. Above a fraction the figures are too
// low: something else runs.
func loadAverage() string {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(load), " ")
	return minute
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}

// goVersion is that of the toolchain on the path, with which the processor was
// built, not that of this program.
func goVersion() string {
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return runtime.Version()
	}
	return strings.TrimSpace(string(out))
}

// ticks are the kernel's account of CPU time.
type ticks struct{ stolen, all uint64 }

// readTicks is zero where the kernel does not tell.
func readTicks() ticks {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return ticks{}
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	return parseTicks(line)
}

// parseTicks reads "cpu user nice system idle iowait irq softirq steal ...".
func parseTicks(line string) ticks {
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return ticks{}
	}
	var t ticks
	for i, f := range fields[1:9] {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return ticks{}
		}
		t.all += n
		if i == 7 {
			t.stolen = n
		}
	}
	return t
}

// stolenSince is the share of CPU time, 0 to 1, that went to other machines.
func stolenSince(before ticks) float64 {
	now := readTicks()
	if now.all <= before.all {
		return 0
	}
	return float64(now.stolen-before.stolen) / float64(now.all-before.all)
}
