package statetest

import (
	"errors"

	"github.com/llm-optimizer/processor/state"
)

func checkReopen(r *room) {
	b := r.open()
	b.apply(set("a", "1"), set("b", "1"), set("c", "1"))
	b.close()
	b = r.open()
	b.holds("a=1", "b=1", "c=1")
	b.apply(set("b", "2"), remove("c"))
	b.close()
	b = r.open()
	b.close() // without a word
	r.open().holds("a=1", "b=2")
}

func checkInUse(r *room) {
	b := r.open()
	b.apply(set("a", "1"))
	other, err := r.store.Open(r.Context())
	if err == nil {
		_ = other.Close()
	}
	r.is("a second Open", err, state.ErrInUse)
	_, err = r.store.Reset(r.Context())
	r.is("Reset of an open store", err, state.ErrInUse)
	b.apply(set("b", "2"))
	b.close()
	r.open().holds("a=1", "b=2")
}

func checkView(r *room) {
	_, err := r.store.View(r.Context(), "")
	r.is("View of a store that does not exist", err, state.ErrNotFound)
	_, err = r.store.View(r.Context(), "")
	r.is("View of a store that does not exist, again", err, state.ErrNotFound)
	_, err = r.store.View(r.Context(), "nothing")
	r.is("View of a checkpoint that does not exist", err, state.ErrNotFound)

	b := r.open()
	b.apply(set("a", "1"))
	if v, err := r.store.View(r.Context(), ""); err == nil {
		_ = v.Close()
	} else if !errors.Is(err, state.ErrInUse) {
		r.Errorf("View of an open store: %v, want what it holds or %q", err, state.ErrInUse)
	}
	b.close()

	for range 2 {
		v := r.view("")
		v.holds("a=1")
		if got, err := v.Get(r.Context(), []byte("a")); err != nil || string(got) != "1" {
			r.Errorf("Get of a view says %q, %v", got, err)
		}
		_, err = v.Get(r.Context(), []byte("b"))
		r.is("Get of a key that is not there", err, state.ErrNotFound)
		r.is("Apply to a view", v.Apply(r.Context(), batchOf(set("a", "2"))), state.ErrReadOnly)
		v.close()
	}
	r.open().holds("a=1")
}

func checkReset(r *room) {
	if aside, err := r.store.Reset(r.Context()); err != nil || aside != "" {
		r.Errorf("Reset of a store that does not exist says %q, %v", aside, err)
	}
	seen := map[string]bool{}
	for range 3 {
		b := r.open()
		b.holds()
		b.apply(set("a", "1"))
		b.close()
		aside, err := r.store.Reset(r.Context())
		if err != nil || aside == "" || seen[aside] {
			r.Fatalf("Reset says %q, %v, after %v", aside, err, seen)
		}
		seen[aside] = true
		_, err = r.store.View(r.Context(), "")
		r.is("View after Reset", err, state.ErrNotFound)
	}
	if aside, err := r.store.Reset(r.Context()); err != nil || aside != "" {
		r.Errorf("Reset after Reset says %q, %v", aside, err)
	}
	r.open().holds()
}
