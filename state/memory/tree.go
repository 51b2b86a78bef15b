package memory

import (
	"bytes"
	"slices"
	"sort"
)

// leafEntries is how many entries a leaf holds at most. An Apply copies the
// leaves that it changes and the list of leaves, so that neither may be large.
const leafEntries = 128

// entry is a key and its value, which nothing changes any more.
type entry struct{ key, value []byte }

// leaf is a run of entries in the order of their keys. It is never empty.
type leaf struct {
	entries []entry
	// made is the number of the edit that may still change it.
	made uint64
}

// tree is an ordered map: leaves in the order of their keys. Once an edit has
// ended nothing in it changes, so whoever holds one has a snapshot.
type tree struct{ leaves []*leaf }

// get returns the value of a key.
func (t tree) get(key []byte) ([]byte, bool) {
	if len(t.leaves) == 0 {
		return nil, false
	}
	l := t.leaves[t.leafOf(key)]
	at, found := l.find(key)
	if !found {
		return nil, false
	}
	return l.entries[at].value, true
}

// leafOf returns the index of the leaf where a key is or would be.
func (t tree) leafOf(key []byte) int {
	after := sort.Search(len(t.leaves), func(i int) bool {
		return bytes.Compare(t.leaves[i].entries[0].key, key) > 0
	})
	return max(after-1, 0)
}

// find returns where in the leaf a key is or would be.
func (l *leaf) find(key []byte) (at int, found bool) {
	return slices.BinarySearchFunc(l.entries, key, func(e entry, key []byte) int {
		return bytes.Compare(e.key, key)
	})
}

// edit makes a new tree out of another one, which it leaves as it is.
type edit struct {
	tree
	number uint64
}

// editOf begins an edit. No two edits may have the same number.
func editOf(t tree, number uint64) *edit {
	return &edit{tree: tree{leaves: slices.Clone(t.leaves)}, number: number}
}

// own returns the i-th leaf, ready to be changed.
func (e *edit) own(i int) *leaf {
	l := e.leaves[i]
	if l.made != e.number {
		l = &leaf{entries: append(make([]entry, 0, leafEntries), l.entries...), made: e.number}
		e.leaves[i] = l
	}
	return l
}

// set gives a key a value. The edit keeps both slices.
func (e *edit) set(key, value []byte) {
	if len(e.leaves) == 0 {
		first := append(make([]entry, 0, leafEntries), entry{key, value})
		e.leaves = append(e.leaves, &leaf{entries: first, made: e.number})
		return
	}
	i := e.leafOf(key)
	l := e.own(i)
	at, found := l.find(key)
	if found {
		l.entries[at] = entry{key, value}
		return
	}
	if len(l.entries) == leafEntries {
		e.split(i)
		if at > len(l.entries) {
			at -= len(l.entries)
			l = e.leaves[i+1]
		}
	}
	l.entries = slices.Insert(l.entries, at, entry{key, value})
}

// split moves the upper half of the i-th leaf, which the edit owns, to a new
// leaf behind it.
func (e *edit) split(i int) {
	l := e.leaves[i]
	upper := &leaf{entries: append(make([]entry, 0, leafEntries), l.entries[leafEntries/2:]...), made: e.number}
	clear(l.entries[leafEntries/2:])
	l.entries = l.entries[:leafEntries/2]
	e.leaves = slices.Insert(e.leaves, i+1, upper)
}

// remove removes a key, if it is there.
func (e *edit) remove(key []byte) {
	if len(e.leaves) == 0 {
		return
	}
	i := e.leafOf(key)
	if at, found := e.leaves[i].find(key); found {
		e.cut(i, at, at+1)
		e.join(i)
	}
}

// removeRange removes the keys from one (inclusive) to another (exclusive).
func (e *edit) removeRange(from, to []byte) {
	if len(e.leaves) == 0 || bytes.Compare(from, to) >= 0 {
		return
	}
	first, last := e.leafOf(from), e.leafOf(to)
	begin, _ := e.leaves[first].find(from)
	end, _ := e.leaves[last].find(to)
	if first == last {
		e.cut(first, begin, end)
		e.join(first)
		return
	}
	e.cut(last, 0, end)
	e.leaves = slices.Delete(e.leaves, first+1, last)
	e.cut(first, begin, len(e.leaves[first].entries))
	e.join(first)
}

// cut removes entries of the i-th leaf, and the leaf if none is left.
func (e *edit) cut(i, begin, end int) {
	if begin >= end {
		return
	}
	if begin == 0 && end == len(e.leaves[i].entries) {
		e.leaves = slices.Delete(e.leaves, i, i+1)
		return
	}
	l := e.own(i)
	l.entries = slices.Delete(l.entries, begin, end)
}

// join merges the i-th leaf with the one behind it when both have become
// small, so that keys that go one by one do not leave a leaf for each that
// stays.
func (e *edit) join(i int) {
	i = max(0, i-1)
	if i+1 >= len(e.leaves) || len(e.leaves[i].entries)+len(e.leaves[i+1].entries) > leafEntries/2 {
		return
	}
	l := e.own(i)
	l.entries = append(l.entries, e.leaves[i+1].entries...)
	e.leaves = slices.Delete(e.leaves, i+1, i+2)
}
