package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// nameSource is a source whose partitions have nothing but a name.
type nameSource struct{ source.Source }

type namePartition struct {
	source.Partition
	name string
}

func (p namePartition) Origin() event.Origin { return event.Origin{Path: p.name} }

// renamingSource recognizes partitions by what their names begin with, and
// gives those up that are told.
type renamingSource struct {
	nameSource
	gone []string
	err  error
}

func (s *renamingSource) Recognize(_ context.Context, parts []source.Partition, saved []source.Saved) (match, gone []int, err error) {
	find := func(name string) int {
		return slices.IndexFunc(saved, func(v source.Saved) bool { return before(v.Origin.Path) == before(name) })
	}
	for _, p := range parts {
		match = append(match, find(p.Origin().Path))
	}
	for _, name := range s.gone {
		if i := find(name); i >= 0 && !slices.Contains(match, i) {
			gone = append(gone, i)
		}
	}
	return match, gone, s.err
}

func before(name string) string { name, _, _ = strings.Cut(name, "."); return name }

func named(names ...string) (parts []source.Partition) {
	for _, n := range names {
		parts = append(parts, namePartition{name: n})
	}
	return parts
}

// saved is what an earlier run has left of a partition.
func saved(id uint32, name string) epoch.Partition {
	return epoch.Partition{ID: id, Origin: event.Origin{Path: name}, Position: int64(id) * 100, Token: []byte{byte(id)}, Watermark: int64(id) + 1000}
}

func resumedRunner(t *testing.T, src source.Source, parts ...epoch.Partition) *Runner {
	t.Helper()
	p := planOf(t, window.Tumbling(time.Hour), window.Trigger{})
	return New(Config{Plan: p, Workers: 1, Source: src, Epochs: &Epochs{Watermark: 77, Since: []int64{event.MinTime}, Partitions: parts}})
}

// Partitions that were read before go on where they stopped, under their
// numbers and present names; others get numbers that none has had. What the
// source gives up is told once, and the rest is still known later.
func TestPartitionsAreRecognized(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		src := &renamingSource{}
		pool := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		var old []epoch.Partition
		highest := uint32(0)
		for i, name := range rapid.Permutation(pool).Draw(rt, "old")[:rapid.IntRange(0, len(pool)).Draw(rt, "how many")] {
			id := uint32(i)*3 + rapid.Uint32Range(0, 2).Draw(rt, "id")
			old, highest = append(old, saved(id, name)), id
		}
		r := resumedRunner(t, src, old...)
		known := map[string]epoch.Partition{}
		taken := map[uint32]bool{}
		for _, p := range old {
			known[p.Origin.Path], taken[p.ID] = p, true
		}
		var gone []uint32
		rest := rapid.Permutation(pool).Draw(rt, "found")
		for len(rest) > 0 {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "at once")
			var names []string
			for _, name := range rest[:n] {
				names = append(names, name+rapid.SampledFrom([]string{"", ".1"}).Draw(rt, "renamed"))
			}
			if rest = rest[n:]; len(rest) > 0 && rapid.Bool().Draw(rt, "gives up") {
				src.gone = rest[:1]
				if p, ok := known[rest[0]]; ok {
					gone = append(gone, p.ID)
					delete(known, rest[0])
				}
			}
			got, err := r.recognize(rt.Context(), named(names...))
			if err != nil || len(got) != n {
				rt.Fatalf("%d of %d partitions, %v", len(got), n, err)
			}
			for i, p := range got {
				want, ok := known[before(names[i])]
				if !ok {
					if taken[p.ID] || len(old) > 0 && p.ID <= highest {
						rt.Fatalf("the new partition %s gets the number %d of another", names[i], p.ID)
					}
					want = epoch.Partition{ID: p.ID, Watermark: event.MinTime}
				}
				want.Origin = event.Origin{Path: names[i]}
				taken[p.ID] = true
				delete(known, before(names[i]))
				if fmt.Sprint(p) != fmt.Sprint(want) {
					rt.Fatalf("%s goes on as %+v, want %+v", names[i], p, want)
				}
			}
		}
		if len(r.unknown) != len(known) || !slices.Equal(r.gone, gone) {
			rt.Fatalf("%v are still looked for, want %v; %v are gone, want %v", r.unknown, known, r.gone, gone)
		}
	})
}

// A source that does not say finds its partitions by their names.
func TestPartitionsAreRecognizedByName(t *testing.T) {
	r := resumedRunner(t, nameSource{}, saved(4, "a"), saved(2, "b"), saved(3, "never seen again"))
	got, err := r.recognize(t.Context(), named("b", "c", "a", "a"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []uint32
	for _, p := range got {
		ids = append(ids, p.ID)
	}
	if !slices.Equal(ids, []uint32{2, 5, 4, 6}) {
		t.Errorf("their numbers are %v, want 2, 5, 4, and 6 for a second one of a name", ids)
	}
	if got[2].Position != 400 || got[2].Watermark != 1004 || got[3].Position != 0 || got[3].Watermark != event.MinTime {
		t.Errorf("they go on as %+v", got)
	}
	if len(r.unknown) != 1 || r.unknown[0].ID != 3 {
		t.Errorf("%+v are still looked for", r.unknown)
	}
	again, err := r.recognize(t.Context(), named("a"))
	if err != nil || again[0].ID != 7 {
		t.Errorf("a file that takes the place of a known one while running is %+v, %v; want a new one", again, err)
	}
}

// The combined watermark of the earlier run holds before anything is read.
func TestTheWatermarkIsResumed(t *testing.T) {
	r := resumedRunner(t, nameSource{}, saved(1, "a"))
	if r.Watermark() != 77 || r.tracker.Combined() != 77 || r.shards[0].mergers[0].(*windows).now != 77 {
		t.Errorf("the runner is at %d, the tracker at %d, want 77", r.Watermark(), r.tracker.Combined())
	}
}

func TestPartitionsThatCannotBeRecognized(t *testing.T) {
	r := resumedRunner(t, &renamingSource{err: errors.New("the disk is gone")}, saved(math.MaxUint32-1, "a"))
	_, err := r.recognize(t.Context(), named("a"))
	if err == nil || !strings.Contains(err.Error(), "finding out which partitions were read before: the disk is gone") {
		t.Errorf("error is %v", err)
	}
	r = New(Config{Plan: planOf(t, window.Tumbling(time.Hour), window.Trigger{}), Workers: 1, Source: &renamingSource{err: errors.New("asked")}})
	got, err := r.recognize(t.Context(), named("a", "b"))
	if err != nil || len(got) != 2 || got[1].Watermark != event.MinTime || got[1].Position != 0 {
		t.Errorf("with state in memory: %+v, %v", got, err)
	}
}
