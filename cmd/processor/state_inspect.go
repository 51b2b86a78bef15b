package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/top"
)

type stateInspectCommand struct {
	storeFlag
	checkpointArg
	JSON bool `name:"json" help:"Print all that is known as JSON."`
}

// Run shows what a store holds.
func (i stateInspectCommand) Run(c *command) error {
	s, err := i.look(c)
	if err != nil {
		return err
	}
	r, err := inspect(context.Background(), s, i.Checkpoint)
	if err != nil {
		return err
	}
	if i.JSON {
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(r)
	}
	return writeReport(c.stdout, nameOf(s, i.Checkpoint), r, time.Now())
}

// writeReport tells a person what a store holds.
func writeReport(w io.Writer, name string, r *epoch.Report, now time.Time) error {
	fmt.Fprintln(w, name)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-11s  "+format+"\n", append([]any{name}, args...)...)
	}
	line("pipeline", "%s", r.Pipeline)
	line("incarnation", "%s, since %s", r.Incarnation[:min(8, len(r.Incarnation))], dateTime(r.Created))
	line("epoch", "%d, %s ago (%s)", r.Epoch, age(now.Sub(r.Time)), dateTime(r.Time))
	line("watermark", "%s", moment(r.Watermark))
	line("in all", "%s, %s", plural(int(r.Keys), "key", "keys"), top.Bytes(r.Bytes))
	for _, t := range []table{windowTable(r), ledgerTable(r), partitionTable(r), sinkTable(r)} {
		if len(t) == 1 {
			continue
		}
		fmt.Fprintln(w)
		if err := t.write(w); err != nil {
			return err
		}
	}
	if r.ProblemCount > 0 {
		fmt.Fprintf(w, "\n%s: processor state verify lists them\n", plural(int(r.ProblemCount), "value is damaged", "values are damaged"))
	}
	return nil
}

// windowTable has what each query holds open.
func windowTable(r *epoch.Report) table {
	t := table{{"query", "open", "keys", "size", "oldest start", "newest start", "partial since", "hash"}}
	for _, q := range r.Queries {
		name := q.Name
		if name == "" {
			name = "(unknown)"
		}
		t = append(t, []string{name, openOf(&q), count(q.Keys), top.Bytes(q.Bytes), moment(q.Oldest), moment(q.Newest), moment(q.Since), q.Hash[:min(8, len(q.Hash))]})
	}
	return t
}

// openOf counts what a query holds by kind: sliding windows lie in panes.
func openOf(q *epoch.QueryReport) string {
	if q.Windows == 0 {
		return "nothing"
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(q.Kinds)) {
		n := q.Kinds[kind]
		if n != 1 {
			kind += "s"
		}
		parts = append(parts, count(n)+" "+kind)
	}
	return strings.Join(parts, ", ")
}

// ledgerTable accounts for the events that each query has read.
func ledgerTable(r *epoch.Report) table {
	t := table{{"query", "read", "in windows", "late", "dead", "filtered", "unwindowed", "results"}}
	for _, q := range r.Queries {
		l := &q.Ledger
		t = append(t, []string{q.Name, count(l.Read), count(l.InWindows), count(l.Late), count(l.Dead), count(l.Filtered), count(l.Unwindowed), count(l.Results)})
	}
	return t
}

// partitionTable has where reading goes on.
func partitionTable(r *epoch.Report) table {
	const most = 20
	t := table{{"partition", "position", "watermark"}}
	for i, p := range r.Partitions {
		if i == most {
			return append(t, []string{fmt.Sprintf("and %s more (--json has all)", count(int64(len(r.Partitions)-most))), "", ""})
		}
		t = append(t, []string{partitionName(&p), count(p.Position), moment(p.Watermark)})
	}
	return t
}

func partitionName(p *epoch.PartitionReport) string {
	name := p.Path
	if p.Topic != "" {
		return p.Topic + " " + strconv.Itoa(int(p.Partition))
	}
	if name == "" || p.Partition != 0 {
		name = strings.TrimSpace(name + " " + strconv.Itoa(int(p.Partition)))
	}
	return name
}

// sinkTable has how far each sink has got.
func sinkTable(r *epoch.Report) table {
	t := table{{"sink", "epoch", "waiting rows", "size", "marks"}}
	for _, s := range r.Sinks {
		marks := "no"
		if s.Marks {
			marks = "yes"
		}
		t = append(t, []string{s.Name, strconv.FormatUint(s.Epoch, 10), count(s.Rows), top.Bytes(s.Bytes), marks})
	}
	return t
}

// moment writes an event time, or that there is none.
func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return dateTime(*t)
}
