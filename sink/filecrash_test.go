package sink_test

import (
	"errors"
	iofs "io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/internal/fs/fstest"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/sink/sinktest"
)

// A process that dies leaves what it wrote to the system.
func TestFileKeepsItsMarks(t *testing.T) {
	sinktest.RunMarker(t, func(t *testing.T) sinktest.Place {
		path := filepath.Join(t.TempDir(), "out", "results.jsonl")
		return sinktest.Place{
			Sink: func() sink.Marker {
				s := &sink.File{Path: path}
				t.Cleanup(func() { s.Close(t.Context()) })
				return s
			},
			Held: func() sinktest.Held {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				return held(t, text)
			},
		}
	})
}

// A machine that loses its power leaves what was synced, and of the rest all,
// nothing or parts.
func TestFileKeepsItsMarksWithoutPower(t *testing.T) {
	for name, percent := range map[string]int{"all lost": 0, "half lost": 50, "none lost": 100} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(percent)))
			sinktest.RunMarker(t, func(t *testing.T) sinktest.Place {
				m := &machine{fs: fstest.New()}
				return sinktest.Place{
					Sink:  m.sink,
					Crash: func() { m.restart(rng, percent) },
					Held:  func() sinktest.Held { return held(t, m.text(t)) },
				}
			})
		})
	}
}

// machine is a file sink on a disk in memory.
type machine struct{ fs *fstest.FS }

const onDisk = "out/deeper/results.jsonl"

func (m *machine) sink() sink.Marker {
	s := &sink.File{Path: onDisk}
	s.SetFS(m.fs)
	return s
}

func (m *machine) restart(rng *rand.Rand, percent int) { m.fs = m.fs.CrashClone(rng, percent) }

func (m *machine) text(t fataler) []byte {
	text, err := m.fs.ReadFile(onDisk)
	if err != nil && !errors.Is(err, iofs.ErrNotExist) {
		t.Fatal(err)
	}
	return text
}

type fataler interface{ Fatal(args ...any) }

// Any rows, marks and faults at any call of the file system, run after run:
// in the end the file is what it would be without them.
func TestFileSurvivesFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := &sinktest.Outbox{Epochs: drawEpochs(t)}
		m := &machine{fs: fstest.New()}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range rapid.IntRange(0, 5).Draw(t, "faults") {
			m.fs.Inject(fstest.Fault{
				Class: rapid.SampledFrom([]fstest.Class{fstest.Any, fstest.Any, fstest.Write, fstest.Sync, fstest.Truncate, fstest.SyncDir}).Draw(t, "class"),
				Call:  rapid.IntRange(1, 40).Draw(t, "call"),
				Crash: rapid.Bool().Draw(t, "crash"), Short: rapid.Bool().Draw(t, "short"), Err: syscall.ENOSPC,
			})
			err := o.Run(t.Context(), m.sink(), func() error { return nil })
			if err != nil && !errors.Is(err, fstest.ErrPowerOff) && !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("a run ends with %v", err)
			}
			// Not each end of the program is one of the machine.
			if percent := rapid.SampledFrom([]int{-1, 0, 50, 100}).Draw(t, "percent"); percent >= 0 {
				m.restart(rng, percent)
			} else if errors.Is(err, fstest.ErrPowerOff) {
				m.restart(rng, 100)
			}
		}
		m.fs.Inject(fstest.Fault{})
		if err := o.Run(t.Context(), m.sink(), func() error { return nil }); err != nil {
			t.Fatalf("the run to the end: %v", err)
		}
		undisturbed := &machine{fs: fstest.New()}
		whole := &sinktest.Outbox{Epochs: o.Epochs}
		if err := whole.Run(t.Context(), undisturbed.sink(), func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if got, want := string(m.text(t)), string(undisturbed.text(t)); got != want {
			t.Fatalf("the file holds %d bytes, want %d:\n%s\nwant\n%s", len(got), len(want), got, want)
		}
	})
}

func drawEpochs(t *rapid.T) []sinktest.Epoch {
	row := 0
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sinktest.Epoch {
		e := sinktest.Epoch{Commit: rapid.Bool().Draw(t, "commit"), Record: rapid.Bool().Draw(t, "record")}
		for range rapid.IntRange(0, 3).Draw(t, "batches") {
			b := new(result.Batch)
			for range rapid.IntRange(0, 3).Draw(t, "rows") {
				b.Dead = append(b.Dead, result.DeadLetter{Reason: "json", Raw: []byte{'a' + byte(row%26), byte('0' + row/26%10)}})
				row++
			}
			e.Rows = append(e.Rows, b)
		}
		return e
	}), 0, 8).Draw(t, "epochs")
}
