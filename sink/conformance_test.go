package sink_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/sink/sinktest"
)

func held(t *testing.T, text []byte) sinktest.Held {
	t.Helper()
	h, err := sinktest.Lines(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestStdoutKeepsTheContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) (sink.Sink, func() sinktest.Held) {
		var out bytes.Buffer
		return sink.NewStdout(&out, sink.JSON), func() sinktest.Held { return held(t, out.Bytes()) }
	})
}

func TestFileKeepsTheContract(t *testing.T) {
	for _, mode := range []string{sink.Append, sink.Refuse} {
		t.Run("on existing "+mode, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) (sink.Sink, func() sinktest.Held) {
				path := filepath.Join(t.TempDir(), "out", "deeper", "results.jsonl")
				return &sink.File{Path: path, OnExisting: mode, Meta: true}, func() sinktest.Held {
					text, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					return held(t, text)
				}
			})
		})
	}
}
