package aggregate

import (
	"testing"

	"pgregory.net/rapid"
)

func TestClasses(t *testing.T) {
	for n := 1; n < 100000; n++ {
		c := classOf(n)
		if c.size() < n || c > 0 && (c-1).size() >= n {
			t.Fatalf("class %d of %d elements has %d", c, n, c.size())
		}
	}
	if got := classOf(leafSize); got != leafClass || got.size() != leafSize {
		t.Errorf("leaves are of class %d, size %d", got, got.size())
	}
}

// TestArena keeps blocks of all sizes, each filled with its own number, and
// checks that none overlaps another, and that new ones are zero.
func TestArena(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a arena[uint32]
		type block struct {
			ref uint32
			c   class
		}
		live := map[uint32]block{}
		for i := range uint32(rapid.IntRange(1, 60).Draw(t, "steps")) {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				a.reset()
				clear(live)
			case 1, 2, 3:
				for id, b := range live {
					a.release(b.ref, b.c)
					delete(live, id)
					break
				}
			default:
				n := rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(1, 5000), rapid.IntRange(50000, 200000)).Draw(t, "n")
				b := block{c: classOf(n)}
				b.ref = a.alloc(b.c)
				if b.ref == 0 {
					t.Fatal("ref 0 was handed out")
				}
				for _, v := range a.at(b.ref, b.c.size()) {
					if v != 0 {
						t.Fatal("a new block is not zero")
					}
				}
				for j := range a.at(b.ref, b.c.size()) {
					a.at(b.ref, j+1)[j] = i + 1
				}
				live[i+1] = b
			}
			for id, b := range live {
				for _, v := range a.at(b.ref, b.c.size()) {
					if v != id {
						t.Fatalf("block %d holds %d", id, v)
					}
				}
			}
		}
	})
}

// TestArenaIsBounded: clearing and filling again, in another order each time,
// needs no more memory.
func TestArenaIsBounded(t *testing.T) {
	var a arena[uint64]
	fill := func(round int) {
		a.reset()
		for i := range 2000 {
			a.alloc(classOf(1 + (i*7919+round*31)%300))
		}
	}
	fill(0)
	before := a.bytes(8)
	for round := range 200 {
		fill(round)
	}
	if after := a.bytes(8); after > before*2 {
		t.Errorf("%d bytes after 200 rounds, %d after one", after, before)
	}
}
