package config_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/config"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/kafka"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state/redis"
	"github.com/llm-optimizer/processor/window"
)

// minimal is the least config; what is appended to it adds settings.
const minimal = `name: small
source: {stdin: {}}
event: {time: {field: ts, format: unix_ms}}
queries:
  - name: q
    window: {tumbling: 1m}
    aggregate: {n: count()}
sinks:
  - stdout: {}
`

func load(t *testing.T, text string, env ...string) *config.Config {
	t.Helper()
	c, err := config.Loader{Environ: env, Stdout: io.Discard}.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMinimalIsAllDefaults(t *testing.T) {
	c := load(t, minimal)
	d := pipeline.DefaultSpec()
	d.Event.TimeField, d.Event.TimeFormat = "ts", event.UnixMilli
	for name, pair := range map[string][2]any{
		"event":            {c.Spec.Event, d.Event},
		"watermark":        {c.Spec.Watermark, d.Watermark},
		"limits":           {c.Spec.Limits, d.Limits},
		"state":            {c.Spec.State, d.State},
		"delivery":         {c.Spec.Delivery, d.Delivery},
		"shutdown_timeout": {c.Spec.ShutdownTimeout, d.ShutdownTimeout},
		"late_events":      {c.Spec.LateEvents, d.LateEvents},
		"workers":          {c.Spec.Workers, 0},
		"log":              {c.LogLevel.Level(), slog.LevelInfo},
		"warnings":         {len(c.Warnings), 0},
		"queries": {c.Spec.Queries, []query.Query{{
			Name: "q", Window: window.Tumbling(time.Minute),
			Aggregates: []aggregate.Spec{aggregate.Count().As("n")},
		}}},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s is %+v, want %+v", name, pair[0], pair[1])
		}
	}
}

// contract.yaml is the reference config of the design, as it stands there.
func TestContract(t *testing.T) {
	c, err := config.Load("testdata/contract.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Build(); err != nil || len(c.Warnings) > 0 {
		t.Fatalf("error %v, warnings %q", err, c.Warnings)
	}
	if src := c.Spec.Source.(*kafka.Source); src.Stop != "" || !src.Traits().Live {
		t.Errorf("the source stops at %q", src.Stop)
	}
	if c.Spec.Event.Dedup != (pipeline.Dedup{}) {
		t.Errorf("the deduplication is %+v, want it off", c.Spec.Event.Dedup)
	}
	if have, want := c.Spec.Watermark.MaxDrift, pipeline.DefaultSpec().Watermark.MaxDrift; have != want {
		t.Errorf("max_drift is %v, want %v", have, want)
	}
}

func TestDedupIsOff(t *testing.T) {
	collector := strings.Replace(minimal, "event: {", "preset: collector\nevent: {", 1)
	for _, text := range []string{minimal, collector} {
		for _, dedup := range []string{"dedup: {}", "dedup: null", "dedup:"} {
			c := load(t, strings.Replace(text, "event: {", "event: {"+dedup+", ", 1))
			if _, err := c.Build(); err != nil || c.Spec.Event.Dedup != (pipeline.Dedup{}) {
				t.Errorf("%s makes %+v (%v), want it off\n%s", dedup, c.Spec.Event.Dedup, err, text)
			}
		}
	}
	c := load(t, strings.Replace(collector, "event: {", "event: {dedup: {horizon: 2h}, ", 1))
	if want := (pipeline.Dedup{ID: "id", Horizon: 2 * time.Hour}); c.Spec.Event.Dedup != want {
		t.Errorf("with a horizon alone it is %+v, want %+v", c.Spec.Event.Dedup, want)
	}
	c = load(t, strings.Replace(minimal, "event: {", "event: {dedup: {}, ", 1), "PROCESSOR_EVENT__DEDUP__ID=id")
	if want := (pipeline.Dedup{ID: "id", Horizon: time.Hour}); c.Spec.Event.Dedup != want {
		t.Errorf("with an id from the environment it is %+v, want %+v", c.Spec.Event.Dedup, want)
	}
}

func TestEverySettingArrives(t *testing.T) {
	text, err := os.ReadFile("testdata/good/short.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, string(text), "DIR=/data", "SECRET=hunter2").Spec
	f := s.Source.(*source.File)
	if f.Path != "/data/*.jsonl.gz" || !f.Follow || f.MaxOpen != 8 || f.MaxRecordBytes != 64000 {
		t.Errorf("the source is %+v", f)
	}
	wantEvent := pipeline.EventSpec{
		Format: pipeline.Auto, TimeField: `data["event.time"]`, TimeFormat: event.UnixMicro,
		Fields:  []pipeline.Field{{Name: "tokens", Expr: "input_tokens + output_tokens"}, {Name: "big", Expr: "tokens > 1000"}},
		OnError: pipeline.Fail, MaxRecordBytes: 64000,
	}
	if !reflect.DeepEqual(s.Event, wantEvent) {
		t.Errorf("the event is %+v, want %+v", s.Event, wantEvent)
	}
	wantWatermark := pipeline.WatermarkSpec{
		Emit: pipeline.EveryEvent, Interval: 50 * time.Millisecond, IdleTimeout: 36 * time.Hour, WhenIdle: pipeline.Hold,
	}
	if s.Watermark != wantWatermark {
		t.Errorf("the watermark is %+v, want %+v", s.Watermark, wantWatermark)
	}
	b := s.Queries[1]
	wantB := query.Query{
		Name:            "b",
		Key:             []query.KeyField{{Name: "tenant", Expr: `coalesce(metadata.tenant, "unknown")`}, {Name: "model", Expr: "model"}},
		Window:          window.Session(30 * time.Second),
		AllowedLateness: 48 * time.Hour,
		Trigger:         window.Trigger{Count: 100, Every: 10 * time.Second, NoOnTime: true},
		Accumulation:    window.Discarding,
		IncludeSketches: true,
		Aggregates: []aggregate.Spec{
			aggregate.Sum("cost").As("z"),
			aggregate.Percentile("latency_ms", 99.5).As("p"),
			aggregate.Percentile("latency_ms", 95).As("p95"),
			aggregate.Avg("latency_ms").As("ok").If(`status == "ok"`),
			aggregate.CountOf("error != null").As("a"),
		},
	}
	if !reflect.DeepEqual(b, wantB) {
		t.Errorf("query b is\n%+v, want\n%+v", b, wantB)
	}
	if a := s.Queries[0]; a.Where != "true" || !slices.Equal(a.Key, []query.KeyField{{Name: "model", Expr: "model"}, {Name: "metadata.tenant", Expr: "metadata.tenant"}}) {
		t.Errorf("query a is %+v", a)
	}
	wantWindows := []window.Spec{
		window.Tumbling(time.Minute), window.Session(30 * time.Second),
		window.Sliding(5*time.Minute, time.Minute).WithOffset(-15 * time.Second),
		window.Calendar(window.Day, "UTC"), window.Calendar(window.Month, "Europe/Berlin"), window.Global(),
	}
	for i, q := range s.Queries {
		if q.Window != wantWindows[i] {
			t.Errorf("the window of query %s is %+v, want %+v", q.Name, q.Window, wantWindows[i])
		}
	}
	checkSinks(t, s)
	if want := (pipeline.LimitSpec{Keys: 10, Windows: 20, Memory: 1 << 30, Outbox: 64 << 20, OnExceed: pipeline.Stop}); s.Limits != want {
		t.Errorf("the limits are %+v, want %+v", s.Limits, want)
	}
	wantState := pipeline.StateSpec{
		Store: &redis.Store{URL: "rediss://user:hunter2@cache:6380/2", Prefix: "processor:short"},
		Epoch: 250 * time.Millisecond, Retain: 7, OnCorruption: pipeline.RestoreOnCorruption,
	}
	if !reflect.DeepEqual(s.State, wantState) || s.Delivery != pipeline.AtLeastOnce {
		t.Errorf("the state is %+v, delivery %s, want %+v", s.State, s.Delivery, wantState)
	}
	if s.ShutdownTimeout != 90*time.Second || s.Workers != 2 || s.Name != "short" {
		t.Errorf("shutdown_timeout %v, workers %d, name %s", s.ShutdownTimeout, s.Workers, s.Name)
	}
}

func checkSinks(t *testing.T, s pipeline.Spec) {
	t.Helper()
	var names []string
	for _, c := range s.Sinks {
		names = append(names, c.Name)
	}
	if want := []string{"stdout", "file", "file-2", "archive"}; !slices.Equal(names, want) {
		t.Errorf("the sinks are called %q, want %q", names, want)
	}
	if !slices.Equal(s.Sinks[1].Queries, []string{"a", "b"}) || s.Sinks[0].Queries != nil {
		t.Errorf("the sinks' queries are %q and %q", s.Sinks[0].Queries, s.Sinks[1].Queries)
	}
	if f := s.Sinks[1].Sink.(*sink.File); f.OnExisting != "" {
		t.Errorf("on_existing is %q although the state decides", f.OnExisting)
	}
	if f := s.Sinks[3].Sink.(*sink.File); f.Path != "out/${literal}.jsonl" || f.OnExisting != "truncate" {
		t.Errorf("the last sink is %+v", f)
	}
	if !s.Sinks[0].Sink.(*sink.Writer).Meta || s.Sinks[1].Sink.(*sink.File).Meta {
		t.Error("meta belongs to the first sink alone")
	}
	if s.LateEvents.Name != "late_events" || s.DeadLetters.Name != "graveyard" {
		t.Errorf("the side outputs are called %q and %q", s.LateEvents.Name, s.DeadLetters.Name)
	}
}

func TestShippedConfigs(t *testing.T) {
	for _, file := range []string{"reference.yaml", "processor-dev.yaml"} {
		c, err := config.Load(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Warnings) > 0 {
			t.Errorf("%s: warnings %q", file, c.Warnings)
		}
	}
}

// The reference shows a default by giving it: loading it must differ from
// leaving everything out only in what is required.
func TestReferenceHasTheDefaults(t *testing.T) {
	ref, err := config.Load("reference.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	small := load(t, minimal)
	ref.Spec.Event.TimeField, ref.Spec.Event.TimeFormat = small.Spec.Event.TimeField, small.Spec.Event.TimeFormat
	ref.Spec.Watermark.WhenIdle = small.Spec.Watermark.WhenIdle
	r, s := ref.Spec, small.Spec
	if r.State.Store == nil || r.State.Store.String() != "state/llm-health" {
		t.Errorf("the state of reference.yaml is in %v", r.State.Store)
	}
	r.State.Store = s.State.Store
	if !reflect.DeepEqual(r.Event, s.Event) || r.Watermark != s.Watermark || r.Limits != s.Limits || !reflect.DeepEqual(r.State, s.State) || r.Delivery != s.Delivery || r.ShutdownTimeout != s.ShutdownTimeout {
		t.Errorf("reference.yaml has other values than the defaults:\n%+v\n%+v", r, s)
	}
	q, d := r.Queries[0], s.Queries[0]
	if q.AllowedLateness != d.AllowedLateness || q.Trigger != d.Trigger || q.Accumulation != d.Accumulation || q.IncludeSketches != d.IncludeSketches {
		t.Errorf("reference.yaml has other values than a query's defaults:\n%+v\n%+v", q, d)
	}
}

func TestEnvironmentOverrides(t *testing.T) {
	tests := []struct {
		env  []string
		have func(pipeline.Spec) any
		want any
	}{
		{[]string{"PROCESSOR_NAME=other"}, func(s pipeline.Spec) any { return s.Name }, "other"},
		{[]string{"PROCESSOR_WORKERS=3"}, func(s pipeline.Spec) any { return s.Workers }, 3},
		{[]string{"PROCESSOR_WATERMARK__IDLE_TIMEOUT=10s"}, func(s pipeline.Spec) any { return s.Watermark.IdleTimeout }, 10 * time.Second},
		{[]string{"PROCESSOR_WATERMARK__WHEN_IDLE=hold"}, func(s pipeline.Spec) any { return s.Watermark.WhenIdle }, pipeline.Hold},
		{[]string{"PROCESSOR_QUERIES__0__ALLOWED_LATENESS=1d"}, func(s pipeline.Spec) any { return s.Queries[0].AllowedLateness }, 24 * time.Hour},
		{[]string{"PROCESSOR_QUERIES__0__WINDOW__TUMBLING=30s"}, func(s pipeline.Spec) any { return s.Queries[0].Window }, window.Tumbling(30 * time.Second)},
		{[]string{"PROCESSOR_QUERIES__0__WINDOW__TUMBLING__OFFSET=-5s"}, func(s pipeline.Spec) any { return s.Queries[0].Window }, window.Tumbling(time.Minute).WithOffset(-5 * time.Second)},
		{[]string{"PROCESSOR_QUERIES__0__KEY=model, metadata.tenant"}, func(s pipeline.Spec) any { return s.Queries[0].Key },
			[]query.KeyField{{Name: "model", Expr: "model"}, {Name: "metadata.tenant", Expr: "metadata.tenant"}}},
		{[]string{"PROCESSOR_QUERIES__0__KEY__TENANT=metadata.tenant"}, func(s pipeline.Spec) any { return s.Queries[0].Key },
			[]query.KeyField{{Name: "tenant", Expr: "metadata.tenant"}}},
		{[]string{"PROCESSOR_QUERIES__0__AGGREGATE__N=count(x)"}, func(s pipeline.Spec) any { return s.Queries[0].Aggregates },
			[]aggregate.Spec{aggregate.CountOf("x").As("n")}},
		{[]string{"PROCESSOR_QUERIES__0__TRIGGER__ON_TIME=false", "PROCESSOR_QUERIES__0__TRIGGER__COUNT=5"}, func(s pipeline.Spec) any { return s.Queries[0].Trigger },
			window.Trigger{Count: 5, NoOnTime: true}},
		{[]string{"PROCESSOR_SINKS__0__QUERIES=q"}, func(s pipeline.Spec) any { return s.Sinks[0].Queries }, []string{"q"}},
		{[]string{"PROCESSOR_SINKS__1__FILE__PATH=b", "PROCESSOR_SINKS__1__NAME=b"}, func(s pipeline.Spec) any { return s.Sinks[1].Name }, "b"},
		{[]string{"PROCESSOR_LATE_EVENTS__FILE__PATH=${X}"}, func(s pipeline.Spec) any { return s.LateEvents.Sink.(*sink.File).Path }, "${X}"},
		{[]string{"PROCESSOR_LIMITS__MEMORY=1MiB", "PROCESSOR_LIMITS__MEMORY=2MiB"}, func(s pipeline.Spec) any { return s.Limits.Memory }, int64(2 << 20)},
	}
	for _, test := range tests {
		t.Run(test.env[0], func(t *testing.T) {
			c := load(t, minimal, test.env...)
			if have := test.have(c.Spec); !reflect.DeepEqual(have, test.want) {
				t.Errorf("have %+v, want %+v", have, test.want)
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warnings %q", c.Warnings)
			}
		})
	}
}

func TestEnvironmentOverridesTheFile(t *testing.T) {
	c := load(t, minimal+"watermark:\n  interval: 1s\n  idle_timeout: bad but overridden\n", "PROCESSOR_WATERMARK__IDLE_TIMEOUT=3s")
	if c.Spec.Watermark.IdleTimeout != 3*time.Second || c.Spec.Watermark.Interval != time.Second {
		t.Errorf("the watermark is %+v", c.Spec.Watermark)
	}
	// Names are found whatever their case, as variables are in capitals.
	c = load(t, strings.Replace(minimal, "{n: count()}", "{perModel: count()}", 1), "PROCESSOR_QUERIES__0__AGGREGATE__PERMODEL=rate()")
	if a := c.Spec.Queries[0].Aggregates; len(a) != 1 || a[0] != aggregate.Rate().As("perModel") {
		t.Errorf("the aggregates are %+v", a)
	}
	c = load(t, strings.Replace(minimal, "source: {stdin: {}}", "source:", 1), "PROCESSOR_SOURCE__STDIN=")
	if _, ok := c.Spec.Source.(*source.Stdin); !ok {
		t.Errorf("the source is %T", c.Spec.Source)
	}
}

func TestVariablesThatNameNoSetting(t *testing.T) {
	env := []string{"PROCESSOR_PORT=tcp://10.0.0.1:80", "PROCESSOR_SERVICE_HOST=10.0.0.1", "PROCESSOR_QUERIES__X__NAME=a", "PROCESSOR_SINKS__-1__NAME=a", "PROCESSORS=1", "PROCESSOR_=1", "OTHER=1"}
	c := load(t, minimal, env...)
	if len(c.Warnings) != 4 {
		t.Errorf("there are %d warnings, want 4: %q", len(c.Warnings), c.Warnings)
	}
	if !strings.Contains(strings.Join(c.Warnings, "\n"), "PROCESSOR_PORT names no setting") {
		t.Errorf("no warning about PROCESSOR_PORT: %q", c.Warnings)
	}
}

func TestExpansion(t *testing.T) {
	text := strings.Replace(minimal, "{stdin: {}}", `{file: {path: "${A}-$${B}-$C-${A}", follow: "${YES}", open: "${N}"}}`, 1)
	c := load(t, text, "A=x", "YES=true", "N=7")
	f := c.Spec.Source.(*source.File)
	if f.Path != "x-${B}-$C-x" || !f.Follow || f.MaxOpen != 7 {
		t.Errorf("the source is %+v", f)
	}
}

func TestSecretsStayOutOfMessages(t *testing.T) {
	for _, line := range []string{"shutdown_timeout: ${S}\n", "workers: ${S}\n", "log: {level: \"${S}\"}\n", "limits: {memory: '${S}'}\n"} {
		_, err := config.Loader{Environ: []string{"S=hunter2"}}.Parse("f", []byte(minimal+line))
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "${S}") {
			t.Errorf("%s gives %v", line, err)
		}
	}
	_, err := config.Loader{Environ: []string{"PROCESSOR_EVENT__TIME__FIELD=hunter2(", "PROCESSOR_LOG__LEVEL=hunter2"}}.Parse("f", []byte(minimal))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret is shown: %v", err)
	}
}

func TestUnreadableFile(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "missing.yaml"), nil)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("a missing file gives %v", err)
	}
	if _, err = config.Load(t.TempDir(), nil); err == nil {
		t.Error("a directory was accepted")
	}
}

func TestOddTexts(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"empty":     {"", "f:1:1: the file is empty"},
		"BOM":       {"\xef\xbb\xbf", "f:1:1: the file is empty"},
		"not UTF-8": {"name: a\nb: \xff\n", "f:2:1: the line is not valid UTF-8"},
		"zero byte": {"name: a\x00\n", "f:1:1: the line holds a zero byte"},
		"large":     {strings.Repeat("# comment\n", 200_000), "f:1:1: the file is larger than 1 MiB"},
		"null":      {"null\n", "f:1:1: the file is empty"},
		"directive": {"%YAML 1.2\n---\nname: a\n", "f:1:1: YAML directives"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := config.Loader{}.Parse("f", []byte(test.text))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("have %v, want %s…", err, test.want)
			}
		})
	}
	load(t, "\xef\xbb\xbf"+minimal)
	load(t, strings.ReplaceAll(minimal, "\n", "\r\n"))
}

func TestWarnsOfSilentGlobalWindow(t *testing.T) {
	text := strings.NewReplacer("{tumbling: 1m}", "{global: {}}", "{stdin: {}}", "{generate: {}}").Replace(minimal)
	if c := load(t, text); len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "global window") {
		t.Errorf("the warnings are %q", c.Warnings)
	}
	text = strings.Replace(text, "{generate: {}}", "{generate: {events: 5}}", 1)
	if c := load(t, text); len(c.Warnings) != 0 {
		t.Errorf("the warnings are %q", c.Warnings)
	}
}

func TestLogger(t *testing.T) {
	c := load(t, minimal+"log: {level: warn, format: json}\n")
	var out bytes.Buffer
	log := c.Logger(&out)
	log.Info("hidden")
	log.Warn("shown", "took", 1500*time.Millisecond)
	if s := out.String(); strings.Contains(s, "hidden") || !strings.Contains(s, `"msg":"shown","took":"1.5s"`) {
		t.Errorf("the log is %s", s)
	}
	c.LogLevel.Set(slog.LevelInfo)
	log.Info("now shown")
	if s := out.String(); !strings.Contains(s, "now shown") {
		t.Errorf("after a change of the level, the log is %s", s)
	}
}

func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.yaml")
	for _, file := range append(files, "reference.yaml", "processor-dev.yaml") {
		if text, err := os.ReadFile(file); err == nil {
			f.Add(text, "NAME=x")
		}
	}
	f.Add([]byte(minimal), "PROCESSOR_QUERIES__0__KEY=a,b")
	f.Fuzz(func(t *testing.T, text []byte, env string) {
		c, err := config.Loader{Environ: []string{env}, Stdout: io.Discard}.Parse("f", text)
		var e *config.Error
		switch {
		case err == nil && c.Spec.Source == nil:
			t.Error("a config without a source was accepted")
		case err == nil:
			for i := range c.Spec.Queries {
				if p := c.Spec.Queries[i].Validate(); len(p) > 0 {
					t.Errorf("a query with problems was accepted: %v", p)
				}
			}
		case !errors.As(err, &e) || len(e.Problems) == 0:
			t.Errorf("the error is a %T: %v", err, err)
		}
	})
}
