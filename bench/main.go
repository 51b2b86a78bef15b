// Command bench measures the processor as its users run it: as a process, from
// its start to its end, on files, standard input and paced traffic. It prints a table
// in Markdown and judges nothing.
//
//	make bench
//	make bench BENCH='-runs 5 -only w1'
//
// The numbers depend on the machine and on what else it does, so the table
// names the machine and the share of time that other machines on the same host
// stole. Compare figures that were taken side by side.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"
)

// options are the flags.
type options struct {
	binary  string
	data    string
	out     string
	events  int
	wide    int
	runs    int
	only    *regexp.Regexp
	paceFor time.Duration
	rate    int
	state   bool
	kafka   bool
	watched bool
	fill    string
}

func main() { os.Exit(status(os.Args[1:])) }

// status runs the program and returns its exit status.
func status(args []string) int {
	opts, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func parseFlags(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.binary, "binary", "bin/processor", "the processor to measure")
	fs.StringVar(&o.data, "data", "bench/data", "folder of the generated events, kept between runs")
	fs.StringVar(&o.out, "out", "bench/out", "folder of the results")
	fs.IntVar(&o.events, "events", 3_000_000, "events of W1")
	fs.IntVar(&o.wide, "wide-events", 1_000_000, "events of W2 and W3")
	fs.IntVar(&o.runs, "runs", 3, "runs of each workload, of which the median counts")
	only := fs.String("only", "", "run only the workloads whose name matches this expression")
	fs.DurationVar(&o.paceFor, "latency-for", 30*time.Second, "length of the latency run; 0 leaves it out")
	fs.IntVar(&o.rate, "latency-rate", 50_000, "events a second of the latency run")
	fs.BoolVar(&o.state, "state", false, "measure what durable state costs, instead of everything else")
	fs.BoolVar(&o.kafka, "kafka", false, "measure reading from Kafka and writing to it, instead of everything else")
	fs.BoolVar(&o.watched, "watched", false, "measure what metrics and scrapes cost, instead of everything else")
	fs.StringVar(&o.fill, "fill", "", "fill the topic of -kafka on the broker with this address, and do nothing else")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if o.runs < 1 || o.events < 1 || o.wide < 1 || o.rate < 1 {
		return o, errors.New("-runs, -events, -wide-events and -latency-rate must be at least 1")
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	return o, nil
}

// run prepares the data, measures, and prints.
func run(ctx context.Context, o options) error {
	if o.fill != "" {
		return fillTopic(ctx, o, o.fill)
	}
	fmt.Println(describeMachine())
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if o.state {
		return measureState(ctx, o)
	}
	if o.kafka {
		return measureKafka(ctx, o)
	}
	if o.watched {
		return measureWatched(ctx, o)
	}
	jobs := selected(workloads(o), o.only)
	for _, j := range jobs {
		if err := j.prepare(ctx); err != nil {
			return fmt.Errorf("prepare the events of %s: %w", j.name, err)
		}
	}
	if len(jobs) > 0 {
		samples, stolen, err := measureAll(ctx, o, jobs)
		if err != nil {
			return err
		}
		printThroughput(os.Stdout, jobs, samples, o.runs, stolen)
	}
	if o.paceFor <= 0 || !o.only.MatchString("latency") {
		return nil
	}
	report, err := measureLatency(ctx, o)
	if err != nil {
		return fmt.Errorf("latency: %w", err)
	}
	report.print(os.Stdout)
	return nil
}
