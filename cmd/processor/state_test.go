package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/memory"
	"github.com/llm-optimizer/processor/state/pebble"
)

const (
	minuteHash  = 0x1111111111111111
	slidingHash = 0x2222222222222222
	startOf2026 = 1767225600e9
)

// commitEpoch writes an epoch with one row as a pipeline would.
func commitEpoch(t *testing.T, b state.Backend, number uint64, made time.Time) {
	t.Helper()
	var e epoch.Encoder
	rows := &result.Batch{Results: []result.Result{{
		Query: &result.Query{Name: "minute", Values: []string{"n"}}, KeyJSON: "{}",
		Start: startOf2026, End: startOf2026 + 60e9, Values: []event.Value{event.Int(1)},
	}}}
	c := epoch.Commit{
		Last: number - 1,
		Record: epoch.Record{Number: number, Time: made, Watermark: startOf2026 + 61e9, Queries: []epoch.Query{
			{Name: "minute", Hash: minuteHash, Since: event.MinTime, Counts: epoch.Counts{Read: 3000, InWindows: 2999, Late: 1, Results: int64(number)}},
			{Name: "sliding", Hash: slidingHash, Since: startOf2026},
		}},
		Partitions: []epoch.Partition{{ID: 0, Origin: event.Origin{Path: "data/a.jsonl"}, Position: int64(number) * 1000, Watermark: startOf2026 + 61e9}},
		Places:     []epoch.Place{{Sink: "file", Epoch: number, Token: []byte{1}}, {Sink: "stdout", Epoch: number - 1}},
		Blocks:     [][]byte{e.AppendBlock(nil, rows)},
	}
	if number == 1 {
		c.Header = &epoch.Header{Pipeline: "test", Incarnation: [16]byte{0xab, 0xcd}, Created: made}
	}
	var batch state.Batch
	if err := c.AppendTo(&batch); err != nil {
		t.Fatal(err)
	}
	for i, w := range []epoch.WindowKey{
		{Hash: minuteHash, Kind: epoch.KindWindow, Time: startOf2026}, {Hash: minuteHash, Kind: epoch.KindWindow, Time: startOf2026 + 60e9},
		{Hash: slidingHash, Kind: epoch.KindPane, Time: startOf2026},
	} {
		key := epoch.AppendWindowKey(nil, w.Hash, w.Kind, w.Time, []byte{byte(i)})
		batch.Set(key, epoch.Seal(nil, key, []byte("a window")))
	}
	if err := b.Apply(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
}

// makeState makes a directory of state with two epochs, an hour and a minute
// old, and a checkpoint of the first.
func makeState(t *testing.T, dir string) *pebble.Store {
	t.Helper()
	s := &pebble.Store{Path: dir}
	b, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	commitEpoch(t, b, 1, time.Now().Add(-time.Hour-time.Minute))
	if err := b.(state.Checkpointer).Checkpoint(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	commitEpoch(t, b, 2, time.Now().Add(-time.Minute-time.Second))
	return s
}

// stateConfig is a config whose state is in a directory.
func stateConfig(t *testing.T, dir string) string {
	t.Helper()
	text := strings.Replace(streamConfig, "{stdin: {}}", "{generate: {events: 10}}", 1)
	return writeFile(t, "state.yaml", text+"state: {backend: pebble, path: "+dir+"}\n")
}

// lines checks the text of a call, line by line, as regular expressions.
func (c call) lines(t *testing.T, code int, want ...string) {
	t.Helper()
	have := strings.Split(strings.TrimSuffix(c.stdout, "\n"), "\n")
	match := len(have) == len(want)
	for i := range min(len(have), len(want)) {
		match = match && regexp.MustCompile("^"+want[i]+"$").MatchString(have[i])
	}
	if c.code != code || c.stderr != "" || !match {
		t.Errorf("exit code %d, want %d, stderr %q, stdout\n%swant\n%s", c.code, code, c.stderr, c.stdout, strings.Join(want, "\n"))
	}
}

// fails checks that a call ends with an exit code and a message.
func (c call) fails(t *testing.T, code int, want string) {
	t.Helper()
	if c.code != code || !strings.Contains(c.stderr, want) {
		t.Errorf("exit code %d, want %d; stderr %q, want %q in it", c.code, code, c.stderr, want)
	}
}

const someTime = `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`

func TestStateLs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	makeState(t, dir)
	want := []string{
		regexp.QuoteMeta(dir),
		`  checkpoint          epoch                 time  age +size`,
		`  first                   1  ` + someTime + `   1h +[\d.]+ KiB`,
		`  \(the state itself\)      2  ` + someTime + `   1m +[\d.]+ KiB`,
	}
	execute(t, "", nil, "state", "ls", "--path", dir).lines(t, 0, want...)
	execute(t, "", nil, "state", "ls", "--config", stateConfig(t, dir)).lines(t, 0, want...)
}

func TestStateInspect(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	makeState(t, dir)
	execute(t, "", nil, "state", "inspect", "--path", dir).lines(t, 0,
		regexp.QuoteMeta(dir),
		`  pipeline     test`,
		`  incarnation  abcd0000, since `+someTime,
		`  epoch        2, 1m ago \(`+someTime+`\)`,
		`  watermark    2026-01-01 00:01:01`,
		`  in all       10 keys, \d+ B`,
		``,
		`  query         open  keys +size         oldest start         newest start        partial since      hash`,
		`  minute   2 windows     2 +\d+ B  2026-01-01 00:00:00  2026-01-01 00:01:00                    -  11111111`,
		`  sliding     1 pane     1 +\d+ B  2026-01-01 00:00:00  2026-01-01 00:00:00  2026-01-01 00:00:00  22222222`,
		``,
		`  query     read  in windows  late  dead  filtered  unwindowed  results`,
		`  minute   3,000       2,999     1     0         0           0        2`,
		`  sliding      0           0     0     0         0           0        0`,
		``,
		`  partition     position            watermark`,
		`  data/a.jsonl     2,000  2026-01-01 00:01:01`,
		``,
		`  sink    epoch  waiting rows +size  marks`,
		`  file        2             0 +0 B    yes`,
		`  stdout      1             1 +\d+ B     no`,
	)
	c := execute(t, "", nil, "state", "inspect", "-p", dir, "first")
	if c.code != 0 || !strings.HasPrefix(c.stdout, "checkpoint first of "+dir+"\n") || !strings.Contains(c.stdout, "epoch        1, 1h ago") {
		t.Errorf("inspect of a checkpoint gives %+v", c)
	}
	var r epoch.Report
	c = execute(t, "", nil, "state", "inspect", "--json", "-c", stateConfig(t, dir))
	if err := json.Unmarshal([]byte(c.stdout), &r); err != nil || c.code != 0 || r.Epoch != 2 || len(r.Queries) != 2 || r.Partitions[0].Position != 2000 {
		t.Errorf("as JSON it is %+v (%v)", c, err)
	}
}

func TestStateVerify(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := makeState(t, dir)
	execute(t, "", nil, "state", "verify", "--path", dir).lines(t, 0, regexp.QuoteMeta(dir)+` is whole: epoch 2, 10 keys, \d+ B`)
	execute(t, "", nil, "state", "verify", "--path", dir, "first").lines(t, 0, `checkpoint first of `+regexp.QuoteMeta(dir)+` is whole: epoch 1, 9 keys, \d+ B`)
	spoil(t, s)
	c := execute(t, "", nil, "state", "verify", "--path", dir)
	c.fails(t, 1, dir+" is damaged: 1 of 10 values cannot be used")
	if strings.Count(c.stdout, "\n") != 1 || !strings.Contains(c.stdout, "2026-01-01T00:00:00Z") {
		t.Errorf("verify says %q, want the window that is damaged", c.stdout)
	}
	c = execute(t, "", nil, "state", "inspect", "--path", dir)
	if c.code != 0 || !strings.Contains(c.stdout, "1 value is damaged: processor state verify lists them") {
		t.Errorf("inspect gives %+v", c)
	}
}

// spoil damages the first window of a store.
func spoil(t *testing.T, s *pebble.Store) {
	t.Helper()
	b, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var batch state.Batch
	batch.Set(epoch.AppendWindowKey(nil, minuteHash, epoch.KindWindow, startOf2026, []byte{0}), []byte("damaged"))
	if err := b.Apply(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
}

func TestStateCheckpointAndRestore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := makeState(t, dir)
	cfg := stateConfig(t, dir)
	c := execute(t, "", nil, "state", "checkpoint", "-c", cfg)
	c.lines(t, 0, `\d{8}-\d{6}`)
	made := strings.TrimSpace(c.stdout)
	second := execute(t, "", nil, "state", "checkpoint", "-c", cfg)
	second.lines(t, 0, `\d{8}-\d{6}(-1)?`)
	if names, err := s.Checkpoints(t.Context()); err != nil || !slices.Equal(names, []string{"first", made, strings.TrimSpace(second.stdout)}) {
		t.Fatalf("the checkpoints are %q (%v)", names, err)
	}
	execute(t, "", nil, "state", "restore", "-c", cfg, "first").lines(t, 0,
		`checkpoint first of `+regexp.QuoteMeta(dir)+` is in place: epoch 1, 1h ago`,
		`What was there is now in `+regexp.QuoteMeta(dir)+`/db\.aside-\d{8}-\d{6}; remove it when it is not needed any more\.`,
		`The next start reads on from the positions of that epoch, so what came after it is computed again\.`,
		`Sinks with marks \(file\): a file is cut .*--redeliver.*`,
		`Sinks without \(stdout\): rows after that epoch come again, under the same ids\.`,
	)
	if last, err := lastEpoch(t.Context(), s, ""); err != nil || last.Record.Number != 1 {
		t.Errorf("the state is at %+v (%v), want epoch 1", last, err)
	}
	if c := execute(t, "", nil, "state", "restore", "-c", cfg, made); c.code != 0 {
		t.Errorf("going forward again gives %+v", c)
	}
	if last, err := lastEpoch(t.Context(), s, ""); err != nil || last.Record.Number != 2 {
		t.Errorf("the state is at %+v (%v), want epoch 2", last, err)
	}
}

func TestStateRestoresWithoutState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	makeState(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, "db")); err != nil {
		t.Fatal(err)
	}
	execute(t, "", nil, "state", "inspect", "-p", dir).fails(t, 1, "no state in "+dir)
	execute(t, "", nil, "state", "checkpoint", "-p", dir).fails(t, 1, "no state in "+dir)
	c := execute(t, "", nil, "state", "ls", "-p", dir)
	if c.code != 0 || !regexp.MustCompile(`\(the state itself\) +- +- +- +-  none\n`).MatchString(c.stdout) {
		t.Errorf("ls gives %+v", c)
	}
	c = execute(t, "", nil, "state", "restore", "-p", dir, "first")
	if c.code != 0 || strings.Contains(c.stdout, "What was there") {
		t.Errorf("restore gives %+v", c)
	}
	execute(t, "", nil, "state", "verify", "-p", dir).lines(t, 0, `.* is whole: epoch 1, .*`)
}

func TestStateRefusesToRestoreDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := makeState(t, dir)
	spoil(t, s)
	execute(t, "", nil, "state", "restore", "-p", dir, "nonesuch").fails(t, 1, "no checkpoint nonesuch of "+dir+"; there are first")
	bad := strings.TrimSpace(execute(t, "", nil, "state", "checkpoint", "-p", dir).stdout)
	execute(t, "", nil, "state", "restore", "-p", dir, bad).fails(t, 1, "is damaged: 1 of 10 values cannot be used; nothing was changed")
	if left, err := filepath.Glob(filepath.Join(dir, "db.aside-*")); err != nil || len(left) > 0 {
		t.Errorf("%q was moved aside (%v)", left, err)
	}
}

func TestStateInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	b, err := makeState(t, dir).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, args := range [][]string{{"inspect"}, {"verify"}, {"checkpoint"}, {"restore", "first"}} {
		c := execute(t, "", nil, append([]string{"state", args[0], "-p", dir}, args[1:]...)...)
		c.fails(t, 1, state.ErrInUse.Error())
		if c.stdout != "" {
			t.Errorf("%s prints %q", args, c.stdout)
		}
	}
	c := execute(t, "", nil, "state", "ls", "-p", dir)
	if c.code != 0 || !strings.Contains(c.stdout, "in use by a running pipeline") || !strings.Contains(c.stdout, "first ") {
		t.Errorf("ls gives %+v", c)
	}
	if c := execute(t, "", nil, "state", "verify", "-p", dir, "first"); c.code != 0 {
		t.Errorf("verify of a checkpoint gives %+v", c)
	}
}

func TestStateThatIsNotThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	for _, args := range [][]string{{"ls"}, {"inspect"}, {"verify"}, {"checkpoint"}} {
		execute(t, "", nil, "state", args[0], "-p", dir).fails(t, 1, "no state in "+dir)
	}
	execute(t, "", nil, "state", "restore", "-p", dir, "x").fails(t, 1, "no checkpoint x of "+dir+"; there are none")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is there now (%v)", err)
	}
	b, err := (&pebble.Store{Path: dir}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"ls"}, {"inspect"}, {"verify"}, {"checkpoint"}} {
		execute(t, "", nil, "state", args[0], "-p", dir).fails(t, 1, "no state in "+dir+": nothing was committed yet")
	}
	execute(t, "", nil, "state", "ls", "-p", filepath.Join(dir, "db")).fails(t, 1, "it is a database by itself")
}

// A backup is looked at where it is.
func TestStateOfACopiedCheckpoint(t *testing.T) {
	dir, backup := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "first")
	makeState(t, dir)
	if err := os.CopyFS(backup, os.DirFS(filepath.Join(dir, "checkpoints", "first"))); err != nil {
		t.Fatal(err)
	}
	before := filesIn(t, backup)
	if c := execute(t, "", nil, "state", "inspect", "-p", backup); c.code != 0 || !strings.Contains(c.stdout, "  epoch        1, 1h ago") {
		t.Errorf("inspect gives %+v", c)
	}
	execute(t, "", nil, "state", "verify", "--path", backup+"/").lines(t, 0, regexp.QuoteMeta(backup)+`/ is whole: epoch 1, 9 keys, \d+ B`)
	if after := filesIn(t, backup); !slices.Equal(before, after) {
		t.Errorf("the backup has %q now and had %q", after, before)
	}
	execute(t, "", nil, "state", "inspect", "-p", backup, "first").fails(t, 1, "no checkpoint first of "+backup+"; there are none")
	for _, args := range [][]string{{"ls"}, {"checkpoint"}} {
		execute(t, "", nil, "state", args[0], "-p", backup).fails(t, 1, "it is a checkpoint by itself, which inspect and verify read")
	}
	// The database of a store may be in use, and is not a checkpoint.
	execute(t, "", nil, "state", "inspect", "-p", filepath.Join(dir, "db")).fails(t, 1, "it is a database by itself")
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestStateCommandLine(t *testing.T) {
	memory := writeFile(t, "memory.yaml", streamConfig)
	for want, args := range map[string][]string{
		"give --config FILE, or --path": {"state", "ls"},
		"can't be used together":        {"state", "ls", "-c", memory, "-p", "x"},
		"keeps its state in memory":     {"state", "inspect", "-c", memory},
		"--path takes a directory":      {"state", "verify", "-p", "redis://:hunter2@localhost"},
		"checkpoint":                    {"state", "restore", "-p", "x"},
		"cannot read the config":        {"state", "ls", "-c", "/does/not/exist.yaml"},
		"--fresh is about":              {"-c", memory, "--fresh"},
		"--redeliver is about":          {"run", "-c", memory, "--redeliver"},
		"--drop-sink is about durable":  {"-c", memory, "--drop-sink", "a", "--drop-sink", "b"},
	} {
		c := execute(t, "", nil, args...)
		c.fails(t, 2, want)
		if strings.Contains(c.stderr, "hunter2") {
			t.Errorf("%q shows a password: %s", args, c.stderr)
		}
	}
}

func TestRunTakesFlagsOfState(t *testing.T) {
	s := pipeline.Spec{State: pipeline.StateSpec{Store: memory.New()}}
	if err := (runCommand{Fresh: true, Redeliver: true, DropSink: []string{"a", "b,c"}}).onState(&s); err != nil {
		t.Fatal(err)
	}
	if st := s.State; !st.Fresh || !st.Redeliver || !slices.Equal(st.DropSinks, []string{"a", "b,c"}) {
		t.Errorf("the state is %+v", st)
	}
}

func TestStateLsShowsDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	makeState(t, dir)
	files, err := filepath.Glob(filepath.Join(dir, "db", "MANIFEST-*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the files are %q (%v)", files, err)
	}
	for _, file := range files {
		if err := os.Truncate(file, 5); err != nil {
			t.Fatal(err)
		}
	}
	c := execute(t, "", nil, "state", "ls", "-p", dir)
	if c.code != 0 || !strings.Contains(c.stdout, "damaged: ") || !strings.Contains(c.stdout, "first                   1 ") {
		t.Errorf("ls gives %+v", c)
	}
	execute(t, "", nil, "state", "verify", "-p", dir).fails(t, 1, state.ErrCorrupt.Error())
	if c := execute(t, "", nil, "state", "restore", "-p", dir, "first"); c.code != 0 {
		t.Errorf("restore gives %+v", c)
	}
}

func TestExplainTellsOfState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	cfg := stateConfig(t, dir)
	for _, test := range []struct {
		env  []string
		want string
	}{
		{nil, "state     " + dir + ": an epoch at least every 1s, a checkpoint every 10m0s, 3 kept\ndelivery  exactly once: results leave when their epoch is durable\n"},
		{[]string{"PROCESSOR_DELIVERY=at_least_once", "PROCESSOR_STATE__CHECKPOINT__EVERY=0"}, "an epoch at least every 1s, no checkpoints\ndelivery  at least once: results leave as soon as they are made\n"},
		{[]string{"PROCESSOR_STATE__BACKEND=memory"}, "state     in memory: nothing outlives the process\ndelivery  at least once: results leave as soon as they are made\n"},
		{[]string{"PROCESSOR_STATE__BACKEND=redis", "PROCESSOR_STATE__PATH=redis://:hunter2@cache"}, "state     redis://cache:6379 processor:test: an epoch"},
	} {
		c := execute(t, "", test.env, "explain", "-c", cfg)
		if c.code != 0 || !strings.Contains(c.stdout, test.want) || strings.Contains(c.stdout+c.stderr, "hunter2") {
			t.Errorf("with %q explain gives %+v, want %q in it", test.env, c, test.want)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is there now (%v)", err)
	}
}

// A second run goes on where the first one ended, and finds the files that have
// come meanwhile.
func TestRunGoesOn(t *testing.T) {
	dir := t.TempDir()
	out, in := filepath.Join(dir, "out.jsonl"), filepath.Join(dir, "in")
	text := strings.NewReplacer(
		"{stdin: {}}", `{file: {path: "`+in+`/*.jsonl"}}`,
		"- stdout: {format: json}", "- file: {path: "+out+"}",
	).Replace(streamConfig) + "state: {backend: pebble, path: " + filepath.Join(dir, "state") + "}\n"
	cfg := writeFile(t, "files.yaml", text)
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(file, line string, want ...string) call {
		t.Helper()
		if err := os.WriteFile(filepath.Join(in, file), []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c := execute(t, "", nil, "run", "-c", cfg)
		rows, err := os.ReadFile(out)
		if c.code != 0 || err != nil || strings.Count(string(rows), "\n") != len(want) {
			t.Fatalf("the run gives %+v and the rows (%v)\n%s", c, err, rows)
		}
		for i, row := range strings.Split(strings.TrimSpace(string(rows)), "\n") {
			if !strings.Contains(row, want[i]) {
				t.Errorf("row %d is %s, want %s in it", i, row, want[i])
			}
		}
		return c
	}
	first := `"values":{"n":1,"sum":2}`
	c := run("a.jsonl", `{"ts":1,"k":"a","v":2}`, first)
	if !strings.Contains(c.stderr, "1 open window kept in "+filepath.Join(dir, "state")) {
		t.Errorf("the summary is %s", c.stderr)
	}
	run("b.jsonl", `{"ts":2,"k":"a","v":5}`, first, `"values":{"n":2,"sum":7}`)
	if c := execute(t, "", nil, "state", "verify", "-c", cfg); c.code != 0 {
		t.Errorf("verify gives %+v", c)
	}
}

func TestManyPartitions(t *testing.T) {
	r := &epoch.Report{Partitions: []epoch.PartitionReport{{Topic: "t", Partition: 3}, {Path: "generate", Partition: 1}, {Path: "a"}, {}}}
	for i := range 30 {
		r.Partitions = append(r.Partitions, epoch.PartitionReport{Path: fmt.Sprint("f", i)})
	}
	have := partitionTable(r)
	if len(have) != 22 || have[1][0] != "t 3" || have[2][0] != "generate 1" || have[3][0] != "a" || have[4][0] != "0" || have[21][0] != "and 14 more (--json has all)" {
		t.Errorf("the table is %q", have)
	}
}
