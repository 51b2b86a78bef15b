package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// printThroughput writes the median run of each workload as a Markdown table.
func printThroughput(w io.Writer, jobs []workload, samples [][]sample, runs int, stolen float64) {
	fmt.Fprintf(w, "Median of %d runs, whole process; %.1f %% of the CPU time stolen meanwhile.\n\n", runs, 100*stolen)
	fmt.Fprintln(w, "| workload | input | workers | events | events/s | CPU s per M | peak RSS | results |")
	fmt.Fprintln(w, "|---|---|--:|--:|--:|--:|--:|--:|")
	for i, j := range jobs {
		s := medianRun(samples[i])
		millions := float64(j.events) / 1e6
		fmt.Fprintf(w, "| %s | %s | %d | %s | %s | %.2f | %d MB | %s |\n",
			j.name, j.input, j.workers, thousands(j.events), thousands(int(float64(j.events)/s.wall.Seconds())),
			s.cpu.Seconds()/millions, s.rss>>20, thousands(s.results))
	}
	fmt.Fprintln(w)
}

// medianRun takes each figure's own median: the run in the middle by time need
// not be the one in the middle by memory.
func medianRun(runs []sample) sample {
	return sample{
		wall:    median(runs, func(s sample) time.Duration { return s.wall }),
		cpu:     median(runs, func(s sample) time.Duration { return s.cpu }),
		rss:     median(runs, func(s sample) int64 { return s.rss }),
		results: median(runs, func(s sample) int { return s.results }),
	}
}

// median is the lower middle where there are two.
func median[S any, T cmp.Ordered](all []S, of func(S) T) T {
	values := make([]T, len(all))
	for i, s := range all {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// quantile is the value at the nearest rank of sorted values; 0 if there are
// none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
