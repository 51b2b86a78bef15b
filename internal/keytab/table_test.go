package keytab

import (
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tab Table
		type pair struct {
			pane int64
			key  string
		}
		model := map[pair]int{}
		for range rapid.IntRange(0, 3).Draw(t, "rounds") {
			for range rapid.IntRange(0, 200).Draw(t, "puts") {
				p := pair{rapid.Int64Range(-2, 2).Draw(t, "pane"), rapid.StringN(0, 3, 40).Draw(t, "key")}
				// Few hashes, so that different keys share one.
				hash := uint64(len(p.key) % 3)
				want, known := model[p]
				if got := tab.Find(hash, p.pane, []byte(p.key)); known && got != want || !known && got != -1 {
					t.Fatalf("Find(%v) = %d, want %d (%v)", p, got, want, known)
				}
				got, isNew := tab.Put(hash, p.pane, []byte(p.key))
				if isNew == known || known && got != want {
					t.Fatalf("Put(%v) = %d, %v, want %d", p, got, isNew, want)
				}
				model[p] = got
				if string(tab.Key(got)) != p.key || tab.Pane(got) != p.pane || tab.Hash(got) != hash {
					t.Fatalf("entry %d is %q of %d", got, tab.Key(got), tab.Pane(got))
				}
			}
			if tab.Len() != len(model) {
				t.Fatalf("%d entries, want %d", tab.Len(), len(model))
			}
			if rapid.Bool().Draw(t, "clear") {
				tab.Clear()
				clear(model)
			}
		}
	})
}

func TestShardIsInRangeAndSpreads(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7} {
		count := make([]int, n)
		for i := range 7000 {
			s := Shard(Hash(fmt.Appendf(nil, "key-%d", i)), n)
			count[s]++
		}
		for s, c := range count {
			if c < 7000/n/2 {
				t.Errorf("shard %d of %d has %d of 7000 keys", s, n, c)
			}
		}
	}
}

func TestWarmTableDoesNotAllocate(t *testing.T) {
	var tab Table
	key := make([]byte, 24)
	round := func() {
		tab.Clear()
		for i := range 1000 {
			binary.LittleEndian.PutUint64(key, uint64(i))
			tab.Put(Hash(key), 0, key)
		}
	}
	round()
	if n := testing.AllocsPerRun(10, round); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, keys := range []int{60, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			var tab Table
			all := make([][]byte, keys)
			hashes := make([]uint64, keys)
			for i := range all {
				all[i] = fmt.Appendf(nil, "s\x08model-%02d s\x08tenant-%d", i%20, i)
				hashes[i] = Hash(all[i])
				tab.Put(hashes[i], 0, all[i])
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				k := i * 7919 % keys
				if n, _ := tab.Put(hashes[k], 0, all[k]); n != k {
					b.Fatal("lost a key")
				}
			}
		})
	}
}
