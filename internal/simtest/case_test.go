package simtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/refmodel"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/window"
)

// caseFile is the part of a config that the cases use.
type caseFile struct {
	Source struct {
		File struct{ Path string }
	}
	Event struct {
		Time  struct{ Field, Format string }
		Dedup struct{ ID, Horizon string }
	}
	Watermark struct {
		MaxOutOfOrderness string `yaml:"max_out_of_orderness"`
		Emit              string
	}
	Queries []caseQuery
}

type caseQuery struct {
	Name, Where  string
	Key          yaml.MapSlice
	Window       caseWindow
	Lateness     string `yaml:"allowed_lateness"`
	Trigger      caseTrigger
	Accumulation string
	Aggregate    yaml.MapSlice
}

type caseTrigger struct {
	Count  uint64
	OnTime *bool `yaml:"on_time"`
}

type caseWindow struct {
	Tumbling, Sliding *struct{ Size, Slide, Offset string }
	Session           *struct{ Gap string }
	Calendar          *struct{ Unit, Timezone string }
	Global            *struct{}
}

// caseSpec is a pipeline and its input, for the engine and for the model.
type caseSpec struct {
	spec       pipeline.Spec
	partitions [][]byte
}

// parseSpec reads a config as far as the tests write it.
func parseSpec(text []byte) (pipeline.Spec, string, error) {
	spec := pipeline.DefaultSpec()
	var c caseFile
	if err := yaml.Unmarshal(text, &c); err != nil {
		return spec, "", err
	}
	spec.Name = "case"
	spec.Event.TimeField, spec.Event.TimeFormat = c.Event.Time.Field, event.TimeFormat(c.Event.Time.Format)
	spec.Event.Dedup = pipeline.Dedup{ID: c.Event.Dedup.ID, Horizon: duration(c.Event.Dedup.Horizon)}
	spec.Watermark.MaxOutOfOrderness = duration(c.Watermark.MaxOutOfOrderness)
	if c.Watermark.Emit != "" {
		spec.Watermark.Emit = pipeline.Emit(c.Watermark.Emit)
	}
	for _, q := range c.Queries {
		parsed, err := q.parse()
		if err != nil {
			return spec, "", fmt.Errorf("query %s: %w", q.Name, err)
		}
		spec.Queries = append(spec.Queries, parsed)
	}
	return spec, c.Source.File.Path, nil
}

func (c caseQuery) parse() (query.Query, error) {
	q := query.Query{
		Name: c.Name, Where: c.Where,
		Window: c.Window.spec(), AllowedLateness: duration(c.Lateness),
		Trigger: window.Trigger{
			Count:    c.Trigger.Count,
			NoOnTime: c.Trigger.OnTime != nil && !*c.Trigger.OnTime,
		},
	}
	if c.Accumulation == "discarding" {
		q.Accumulation = window.Discarding
	}
	for _, k := range c.Key {
		q.Key = append(q.Key, query.KeyField{Name: k.Key.(string), Expr: k.Value.(string)})
	}
	for _, a := range c.Aggregate {
		s, err := parseAggregate(a.Value.(string))
		if err != nil {
			return q, err
		}
		q.Aggregates = append(q.Aggregates, s.As(a.Key.(string)))
	}
	return q, nil
}

func (c caseWindow) spec() window.Spec {
	switch {
	case c.Tumbling != nil:
		return window.Tumbling(duration(c.Tumbling.Size)).WithOffset(duration(c.Tumbling.Offset))
	case c.Sliding != nil:
		return window.Sliding(duration(c.Sliding.Size), duration(c.Sliding.Slide)).WithOffset(duration(c.Sliding.Offset))
	case c.Session != nil:
		return window.Session(duration(c.Session.Gap))
	case c.Calendar != nil:
		return window.Calendar(window.Unit(c.Calendar.Unit), c.Calendar.Timezone)
	default:
		return window.Global()
	}
}

func duration(text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

var call = regexp.MustCompile(`^(\w+)\(([^,)]*)(?:,\s*([\d.]+))?\)(?:\s+where\s+(.+))?$`)

func parseAggregate(text string) (aggregate.Spec, error) {
	m := call.FindStringSubmatch(text)
	if m == nil {
		return aggregate.Spec{}, fmt.Errorf("aggregate %q is not FUNCTION(FIELD) where CONDITION", text)
	}
	s := aggregate.Spec{Func: m[1], Arg: m[2], Where: m[4]}
	if m[3] != "" {
		p, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return s, err
		}
		s.Param = p
	}
	return s, nil
}

func loadCase(t *testing.T, dir string) caseSpec {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "case.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	spec, path, err := parseSpec(text)
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	files, err := filepath.Glob(strings.ReplaceAll(path, "${CASE}", dir))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no input at %s: %v", dir, path, err)
	}
	c := caseSpec{spec: spec}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c.partitions = append(c.partitions, data)
	}
	return c
}

// steps are the partitions one after the other, as the model reads them.
func (c caseSpec) steps(t *testing.T) []refmodel.Step {
	t.Helper()
	var all []refmodel.Step
	for p, data := range c.partitions {
		feed := NewFeed("", Lines(data))
		for i, line := range feed.Records {
			e, err := decode(line, c.spec.Event)
			if err != nil {
				t.Fatal(err)
			}
			e.Offset = feed.Positions[i]
			all = append(all, refmodel.Step{Partition: p, Event: e})
		}
	}
	return all
}

// decode makes an event of a line.
func decode(line []byte, spec pipeline.EventSpec) (refmodel.Event, error) {
	fields, err := refmodel.ParseFields(line)
	if err != nil {
		return refmodel.Event{}, err
	}
	at, err := timeOf(fields[spec.TimeField], spec.TimeFormat)
	return refmodel.Event{Time: at, Fields: fields, Raw: line}, err
}

func timeOf(v event.Value, format event.TimeFormat) (int64, error) {
	if format == event.RFC3339 {
		at, err := time.Parse(time.RFC3339Nano, v.Str)
		return at.UnixNano(), err
	}
	switch v.Kind {
	case event.Number:
		return int64(v.Num) * unitOf(format), nil
	case event.Integer:
		n, err := strconv.ParseInt(v.Str, 10, 64)
		return n * unitOf(format), err
	default:
		return 0, fmt.Errorf("time is a %v", v.Kind)
	}
}

// unitOf is the length of a time format's unit in nanoseconds.
func unitOf(format event.TimeFormat) int64 {
	switch format {
	case event.UnixNano:
		return 1
	case event.UnixMicro:
		return 1e3
	case event.UnixMilli:
		return 1e6
	default:
		return 1e9
	}
}

// expectedRow is a line of expected.jsonl.
type expectedRow struct {
	Key         json.RawMessage
	WindowStart *string `json:"window_start"`
	WindowEnd   *string `json:"window_end"`
	Timing      string
	Firing      int
	Values      map[string]json.RawMessage
	Brackets    map[string][2]float64
}

func readLines[T any](t *testing.T, file string) []T {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	for _, line := range Lines(data) {
		var row T
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, row)
	}
	return all
}

// canonical is JSON with sorted members and numbers in one form.
func canonical(raw []byte) string {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return "invalid: " + string(raw)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return "invalid: " + string(raw)
	}
	return string(out)
}

// bound writes a window's bound as results do.
func bound(at int64) string {
	if at == event.MinTime || at == event.MaxTime {
		return "null"
	}
	return string(event.AppendTime(nil, at))
}
