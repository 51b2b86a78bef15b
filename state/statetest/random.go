package statetest

import (
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/state"
)

// checkRandom compares random operations with a map.
func checkRandom(r *room) {
	m := &model{room: r, b: r.open(), want: map[string]string{}}
	rapid.Check(r.T, func(t *rapid.T) {
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			m.step(t)
		}
	})
}

// model is a store and the map that it has to be like. It goes on from one
// random run to the next: a new store for each would be slow.
type model struct {
	*room
	b    *opened
	want map[string]string
}

// keys are few and of few bytes, so that operations meet; from and to of a
// range come from them as well.
var keys = rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 'a', 'b'}), 1, 3, -1)

func (m *model) step(t *rapid.T) {
	switch rapid.IntRange(0, 9).Draw(t, "step") {
	case 0:
		m.b.close()
		m.b = m.open()
	case 1:
		key := keys.Draw(t, "key")
		got, err := m.b.Get(m.Context(), []byte(key))
		want, there := m.want[key]
		if there != (err == nil) || string(got) != want {
			t.Fatalf("Get %q says %q, %v; want %q, %v", key, got, err, want, there)
		}
	case 2, 3:
		m.compare(t, []byte(keys.Draw(t, "from")), []byte(keys.Draw(t, "to")))
	default:
		m.apply(t)
		m.compare(t, nil, nil)
	}
}

// apply draws batches and applies them, also to the map.
func (m *model) apply(t *rapid.T) {
	var batches []*state.Batch
	for range rapid.IntRange(0, 3).Draw(t, "batches") {
		b := new(state.Batch)
		for range rapid.IntRange(0, 8).Draw(t, "ops") {
			m.draw(t, b)
		}
		batches = append(batches, b)
	}
	if err := m.b.Apply(m.Context(), batches...); err != nil {
		t.Fatal(err)
	}
}

func (m *model) draw(t *rapid.T, b *state.Batch) {
	key := keys.Draw(t, "key")
	switch rapid.IntRange(0, 4).Draw(t, "op") {
	case 0:
		b.Delete([]byte(key))
		delete(m.want, key)
	case 1:
		to := keys.Draw(t, "to")
		b.DeleteRange([]byte(key), []byte(to))
		maps.DeleteFunc(m.want, func(k, _ string) bool { return k >= key && k < to })
	default:
		value := string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value"))
		b.Set([]byte(key), []byte(value))
		m.want[key] = value
	}
}

// compare holds a range of the store against the map.
func (m *model) compare(t *rapid.T, from, to []byte) {
	got, err := listed(m.Context(), m.b, from, to)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, k := range slices.Sorted(maps.Keys(m.want)) {
		if k >= string(from) && (to == nil || k < string(to)) {
			want = append(want, k+"="+m.want[k])
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("from %q to %q the store holds %s, want %s", from, to, fmt.Sprintf("%q", got), fmt.Sprintf("%q", want))
	}
}
