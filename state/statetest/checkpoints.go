package statetest

import (
	"fmt"

	"github.com/llm-optimizer/processor/state"
)

// checkpoint makes one, or skips the check where there are none.
func (o *opened) checkpoint(name string) {
	o.r.Helper()
	c, ok := o.Backend.(state.Checkpointer)
	if !ok {
		o.r.Skip("SKIPPED checkpoints: the backend makes none")
	}
	if err := c.Checkpoint(o.r.Context(), name); err != nil {
		o.r.Fatalf("checkpoint %s: %v", name, err)
	}
}

// lists compares the names of the checkpoints.
func (r *room) lists(want ...string) {
	r.Helper()
	got, err := r.store.Checkpoints(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.Errorf("the checkpoints are %v, want %v", got, want)
	}
}

func checkCheckpoints(r *room) {
	r.lists()
	b := r.open()
	r.lists()
	b.checkpoint("empty")
	for i, name := range []string{"3", "1", "2"} { // in the order of making
		b.apply(set("a", fmt.Sprint(i)))
		b.checkpoint(name)
	}
	r.lists("empty", "3", "1", "2")
	if err := b.Backend.(state.Checkpointer).Checkpoint(r.Context(), "1"); err == nil {
		r.Error("a checkpoint took the name of another one")
	}
	b.close()
	r.lists("empty", "3", "1", "2")
	r.view("empty").holds()
	r.view("3").holds("a=0")
	r.view("1").holds("a=1")
	v := r.view("2")
	v.holds("a=2")
	r.is("Apply to a checkpoint", v.Apply(r.Context(), batchOf(set("a", "x"))), state.ErrReadOnly)
	r.open().holds("a=2")
}

func checkFrozen(r *room) {
	b := r.open()
	b.apply(set("a", "1"), set("b", "1"))
	b.checkpoint("c")
	b.apply(set("a", "2"), remove("b"), set("c", "2"))
	r.view("c").holds("a=1", "b=1")
	b.apply(removeRange("a", "z"))
	b.close()
	r.view("c").holds("a=1", "b=1")
	if _, err := r.store.Reset(r.Context()); err != nil {
		r.Fatal(err)
	}
	r.lists("c")
	v := r.view("c")
	v.holds("a=1", "b=1")
	v.close()
	r.open().holds()
}

func checkDrop(r *room) {
	b := r.open()
	r.is("Drop of nothing", r.store.Drop(r.Context(), "c"), state.ErrNotFound)
	b.apply(set("a", "1"))
	b.checkpoint("c")
	b.checkpoint("d")
	if err := r.store.Drop(r.Context(), "c"); err != nil {
		r.Fatalf("Drop while the store is open: %v", err)
	}
	r.lists("d")
	_, err := r.store.View(r.Context(), "c")
	r.is("View of what was dropped", err, state.ErrNotFound)
	r.is("Drop of what was dropped", r.store.Drop(r.Context(), "c"), state.ErrNotFound)
	b.checkpoint("c") // the name is free again
	r.lists("d", "c")
	b.close()
	for _, name := range []string{"c", "d"} {
		if err := r.store.Drop(r.Context(), name); err != nil {
			r.Fatal(err)
		}
	}
	r.lists()
	r.open().holds("a=1")
}

func checkRestore(r *room) {
	b := r.open()
	b.apply(set("a", "1"), set("b", "1"))
	b.checkpoint("c")
	b.apply(set("a", "2"), set("d", "2"))
	_, err := r.store.Restore(r.Context(), "c")
	r.is("Restore of an open store", err, state.ErrInUse)
	b.holds("a=2", "b=1", "d=2")
	b.close()
	seen := map[string]bool{}
	for range 2 {
		aside, err := r.store.Restore(r.Context(), "c")
		if err != nil || aside == "" || seen[aside] {
			r.Fatalf("Restore says %q, %v, after %v", aside, err, seen)
		}
		seen[aside] = true
		r.lists("c")
		b = r.open()
		b.holds("a=1", "b=1")
		b.apply(set("a", "3"), remove("b")) // must not reach the checkpoint
		b.close()
	}
	r.view("c").holds("a=1", "b=1")
	r.open().holds("a=3")
}

func checkRestoreAnew(r *room) {
	b := r.open()
	b.apply(set("a", "1"))
	b.checkpoint("c")
	b.close()
	if _, err := r.store.Reset(r.Context()); err != nil {
		r.Fatal(err)
	}
	aside, err := r.store.Restore(r.Context(), "c")
	if err != nil || aside != "" {
		r.Fatalf("Restore where no store is says %q, %v", aside, err)
	}
	r.open().holds("a=1")
}

func checkRestoreUnknown(r *room) {
	_, err := r.store.Restore(r.Context(), "c")
	r.is("Restore where nothing is", err, state.ErrNotFound)
	_, err = r.store.View(r.Context(), "")
	r.is("View after that", err, state.ErrNotFound)
	b := r.open()
	b.apply(set("a", "1"))
	b.close()
	aside, err := r.store.Restore(r.Context(), "c")
	r.is("Restore of a checkpoint that is not there", err, state.ErrNotFound)
	if aside != "" {
		r.Errorf("nothing was restored, but %q is aside", aside)
	}
	r.open().holds("a=1")
}
