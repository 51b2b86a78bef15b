package pipeline_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
)

func TestSinksDoNotShareAFileWithEachOtherOrTheSource(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.jsonl")
	if err := os.WriteFile(in, []byte(`{"t":1,"k":"a"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	src := &source.File{Path: in}
	_, err := counting(src).To(&sink.File{Path: filepath.Join(dir, "out.jsonl")}).LateEventsTo(&sink.File{Path: dir + "/./out.jsonl"}).Build()
	if err == nil || !strings.Contains(err.Error(), "late_events: writes to "+dir+"/out.jsonl, as sinks.0 does") {
		t.Errorf("error is %v", err)
	}
	p := build(t, counting(src).To(&sink.File{Path: in, OnExisting: sink.Truncate}))
	if _, err := p.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "which the source reads") {
		t.Errorf("error is %v", err)
	}
	p = build(t, counting(&source.File{Path: filepath.Join(dir, "*.jsonl"), Follow: true}).To(&sink.File{Path: filepath.Join(dir, "out.jsonl")}))
	if _, err := p.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "find and follow") {
		t.Errorf("error is %v", err)
	}
	if text, err := os.ReadFile(in); err != nil || len(text) == 0 {
		t.Errorf("the input is %q, %v", text, err)
	}
}

// One file may have several names.
func TestSinksDoNotShareAFileByOtherNames(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	out, link := filepath.Join(dir, "out.jsonl"), filepath.Join(dir, "link.jsonl")
	_, err := counting(lines()).To(&sink.File{Path: out}).DeadLettersTo(&sink.File{Path: "out.jsonl"}).Build()
	if err == nil || !strings.Contains(err.Error(), "dead_letters: writes to out.jsonl, as sinks.0 does") {
		t.Errorf("error is %v", err)
	}
	if err := errors.Join(os.WriteFile(out, nil, 0o600), os.Symlink(out, link)); err != nil {
		t.Fatal(err)
	}
	p := build(t, counting(lines()).ToNamed("one", &sink.File{Path: out}).ToNamed("two", &sink.File{Path: link}))
	if _, err := p.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "sink two writes to "+link+", which is the file of sink one too") {
		t.Errorf("error is %v", err)
	}
}

// A start that fails leaves what is there as it was.
func TestNothingIsTouchedByAStartThatFails(t *testing.T) {
	old := filepath.Join(t.TempDir(), "old.jsonl")
	const text = "precious\n"
	if err := os.WriteFile(old, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pipeline.Builder{
		"another sink": counting(lines(`{"t":1,"k":"a"}`)).To(&sink.File{Path: old, OnExisting: sink.Truncate}).
			LateEventsTo(&sink.File{Path: t.TempDir()}),
		"the source": counting(&source.File{Path: old + "x"}).To(&sink.File{Path: old, OnExisting: sink.Truncate}),
	} {
		if _, err := build(t, b).Run(context.Background()); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got, err := os.ReadFile(old); err != nil || string(got) != text {
			t.Errorf("%s: the file is %q, %v", name, got, err)
		}
	}
}
