package pipeline_test

import (
	"maps"
	"path/filepath"
	"testing"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/sink"
)

func TestFreshMovesTheStateAside(t *testing.T) {
	k := keep(t)
	var out rows
	undelivered(t, k, &out)
	before, was := k.dump(""), k.snapshot("")
	var slow rows
	k.refused(events(1), func(s *pipeline.Spec) { s.State.Fresh, s.State.DropSinks = true, []string{"slow"} }, only(&out), "leave it out")
	out.got = nil
	k.must(events(1, 11), func(s *pipeline.Spec) { s.State.Fresh = true }, named("out", &out), named("slow", &slow))
	k.logged("moved the old state aside", "aside-1", "rows are given up", `sink \"slow\" lacks the rows of`, "began a new state")
	check(t, "rows", out.all(), counted(1, 0, 10)...)
	check(t, "rows of the other", slow.all(), counted(1, 0, 10)...)
	if now := k.snapshot(""); now.Header.Incarnation == was.Header.Incarnation {
		t.Error("the new state is the old one")
	}
	if !maps.Equal(before, k.dump("aside-1")) {
		t.Error("the old state is not what it was")
	}
	k.must(events(1, 11), func(s *pipeline.Spec) { s.State.Fresh = true }, named("out", &out), named("slow", &slow))
	k.unlogged("rows are given up")
}

// Where a sink refuses to begin anew the old state keeps its place, so that a
// start without the flag goes on with it.
func TestFreshMovesNothingForASinkThatRefuses(t *testing.T) {
	k := keep(t)
	file := &sink.File{Path: filepath.Join(t.TempDir(), "out.jsonl")}
	sinks := []sink.Config{named("rows", &rows{}), named("file", file)}
	fresh := func(s *pipeline.Spec) { s.State.Fresh = true }
	k.must(events(1, 11), nil, sinks...)
	_ = k.refused(events(1, 11), fresh, sinks, "on_existing")
	k.unlogged("aside")
	k.unlogged("began a new state")
	k.must(events(1, 11, 21), nil, sinks...)
	k.logged("recovered state")
	file.OnExisting = sink.Truncate
	k.must(events(1, 11), fresh, sinks...)
	k.logged("moved the old state aside", "began a new state")
}
