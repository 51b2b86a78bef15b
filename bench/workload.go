package main

import (
	"context"
	"path/filepath"
	"regexp"
	"strconv"
)

// workload is one row of the table: a config, its input and how many workers.
type workload struct {
	name, config string
	// input describes the source in the table.
	input   string
	workers int
	events  int
	// env overrides the config, stdin is a file to feed to standard input.
	env   []string
	stdin string
	// state is a folder that is removed before each run.
	state string
	// prepare makes the input where it is missing.
	prepare func(context.Context) error
}

// workloads are all rows in the order of the table.
func workloads(o options) []workload {
	files := func(name, config string, events, parts, workers int) workload {
		dir := dataset(o, events, parts)
		return workload{
			name: name, config: config, workers: workers, events: events,
			input: strconv.Itoa(parts) + " " + plural("file", parts),
			env: []string{
				"PROCESSOR_WORKERS=" + strconv.Itoa(workers),
				"PROCESSOR_SOURCE__FILE__PATH=" + filepath.Join(dir, "*.jsonl"),
			},
			prepare: func(ctx context.Context) error { return generate(ctx, o.binary, dir, events, parts) },
		}
	}
	stdin := files("w1", "w1-stdin.yaml", o.events, 1, 2)
	stdin.input, stdin.env = "stdin", stdin.env[:1]
	stdin.stdin = filepath.Join(dataset(o, o.events, 1), partName(0))
	windows := workload{
		name: "windows", config: "windows.yaml", input: "4 files", workers: 2, events: openWindows * eventsPerWindow,
		env: []string{"PROCESSOR_SOURCE__FILE__PATH=" + filepath.Join(o.data, "windows", "*.jsonl")},
		prepare: func(context.Context) error {
			return generateWindows(filepath.Join(o.data, "windows"), openWindows, eventsPerWindow)
		},
	}
	return []workload{
		files("w1", "w1.yaml", o.events, 4, 2),
		files("w1", "w1.yaml", o.events, 4, 1),
		files("w1", "w1.yaml", o.events, 1, 2),
		stdin,
		files("w2", "w2.yaml", o.wide, 4, 2),
		files("w2", "w2.yaml", o.wide, 4, 1),
		files("w3", "w3.yaml", o.wide, 4, 2),
		files("w3", "w3.yaml", o.wide, 4, 1),
		windows,
	}
}

func selected(all []workload, only *regexp.Regexp) []workload {
	var some []workload
	for _, w := range all {
		if only.MatchString(w.name) {
			some = append(some, w)
		}
	}
	return some
}

func plural(noun string, n int) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
