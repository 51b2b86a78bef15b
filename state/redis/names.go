package redis

import (
	"fmt"
	"strings"
)

// names are the keys of a store on the server.
type names struct {
	base        string
	store       triple
	lease       string
	checkpoints string
}

// triple is the three keys that make up a store, a checkpoint or a copy.
type triple struct{ keys, values, meta string }

func newNames(prefix string) names {
	base := "{" + prefix + "}"
	return names{base: base, store: tripleAt(base), lease: base + ":lease", checkpoints: base + ":checkpoints"}
}

func tripleAt(base string) triple {
	return triple{base + ":keys", base + ":values", base + ":meta"}
}

func (t triple) all() []string { return []string{t.keys, t.values, t.meta} }

func (n names) checkpoint(name string) triple { return tripleAt(n.base + ":checkpoint:" + name) }

func (n names) copy(id string) triple { return tripleAt(n.base + ":copy:" + id) }

func (n names) aside(name string) string { return n.base + ":aside:" + name }

const maxCheckpointName = 128 // bytes

// validCheckpoint refuses names that could be mistaken for a part of a key.
func validCheckpoint(name string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	if name == "" || len(name) > maxCheckpointName || strings.ContainsFunc(name, notIn(allowed)) {
		return fmt.Errorf("%q is no name for a checkpoint: want 1 to %d letters, digits, dots, dashes and underscores", name, maxCheckpointName)
	}
	return nil
}

func notIn(allowed string) func(rune) bool {
	return func(r rune) bool { return !strings.ContainsRune(allowed, r) }
}
