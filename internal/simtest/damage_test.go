package simtest

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// tree is what the files of a folder hold, by path.
type tree map[string]string

// stateTree is what is in the state's folder.
func (d disks) stateTree(t *rapid.T) tree {
	all := tree{}
	var walk func(dir string)
	walk = func(dir string) {
		names, err := d.state.List(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("list %s: %v", dir, err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, ".tmp-") || name == "LOCK" || path.Ext(name) == ".dbtmp" {
				continue // what nobody reads, and the next start may remove
			}
			name = path.Join(dir, name)
			info, err := d.state.Stat(name)
			if err != nil {
				t.Fatalf("stat %s: %v", name, err)
			}
			if info.IsDir() {
				walk(name)
				continue
			}
			data, err := d.state.UnsafeGetFileDataBuffer(name)
			if err != nil {
				t.Fatalf("read %s: %v", name, err)
			}
			all[name] = string(data)
		}
	}
	walk("state")
	return all
}

// outputTree is what is in the outputs.
func (d disks) outputTree() tree {
	all := tree{}
	for _, name := range []string{"rows", "late", "dead"} {
		if data, err := d.files.ReadFile("out/" + name); err == nil {
			all[name] = string(data)
		}
	}
	return all
}

// classes sorts the files of the state by what they are for.
func (all tree) classes() map[string][]string {
	sorted := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		base := path.Base(name)
		class, _, _ := strings.Cut(strings.TrimPrefix(name, "state/"), "/")
		switch {
		case class != "db" && class != "checkpoints":
			continue // what was moved aside
		case strings.HasPrefix(base, "marker."):
			class += " marker"
		default:
			class += " " + strings.TrimRight(strings.TrimSuffix(base, path.Ext(base)), "0123456789-") + path.Ext(base)
		}
		sorted[class] = append(sorted[class], name)
	}
	return sorted
}

// injury is damage to a file of the state.
type injury struct {
	class, what string
	// was is what the files held that are damaged: one, or all names of a table
	// that the state and checkpoints share.
	was tree
}

func (i injury) String() string {
	return fmt.Sprintf("%s: %s of %v", i.what, i.class, slices.Sorted(maps.Keys(i.was)))
}

// harms reports whether a file of a checkpoint is damaged.
func (i injury) harms(checkpoint string) bool {
	for name := range i.was {
		if strings.HasPrefix(name, "state/checkpoints/"+checkpoint+"/") {
			return true
		}
	}
	return false
}

// damage damages a file, of a class whose name begins with a prefix. older are
// the files as they were some time before.
func (d disks) damage(t *rapid.T, prefix string, older []tree) (i injury, ok bool) {
	all := d.stateTree(t)
	classes := all.classes()
	maps.DeleteFunc(classes, func(class string, _ []string) bool { return !strings.HasPrefix(class, prefix) })
	if len(classes) == 0 {
		return i, false
	}
	i.class = rapid.SampledFrom(slices.Sorted(maps.Keys(classes))).Draw(t, "class")
	name := rapid.SampledFrom(classes[i.class]).Draw(t, "file")
	data := []byte(all[name])
	i.what = "removed"
	if len(data) > 0 { // markers are empty
		i.what = rapid.SampledFrom([]string{"bit", "cut", "zeros", "removed", "older"}).Draw(t, "damage")
	}
	i.was = tree{name: all[name]}
	if path.Ext(name) == ".sst" && rapid.Bool().Draw(t, "shared") {
		for other, held := range all {
			if path.Base(other) == path.Base(name) && held == all[name] {
				i.was[other] = held
			}
		}
	}
	at := rapid.IntRange(0, max(len(data)-1, 0)).Draw(t, "at")
	switch i.what {
	case "bit":
		data[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case "cut":
		data = data[:at]
	case "zeros":
		clear(data[at:min(at+rapid.SampledFrom([]int{1, 64, 512, 4096}).Draw(t, "block"), len(data))])
	case "older":
		data = all.older(t, name, older)
	}
	for name := range i.was {
		if i.what == "removed" {
			d.remove(t, name)
		} else {
			d.put(t, name, data)
		}
	}
	return i, true
}

// older is what a file held before, or another one of its kind and folder.
func (all tree) older(t *rapid.T, name string, older []tree) []byte {
	var contents []string
	for _, before := range append(older, all) {
		for _, other := range slices.Sorted(maps.Keys(before)) {
			alike := path.Dir(other) == path.Dir(name) && path.Ext(other) == path.Ext(name) && path.Base(other)[:1] == path.Base(name)[:1]
			if held := before[other]; alike && held != all[name] {
				contents = append(contents, held)
			}
		}
	}
	if len(contents) == 0 {
		return []byte(all[name])
	}
	return []byte(rapid.SampledFrom(contents).Draw(t, "older"))
}

// mend puts back what was damaged.
func (d disks) mend(t *rapid.T, i injury) {
	for name, data := range i.was {
		if err := d.state.MkdirAll(path.Dir(name), 0o755); err != nil {
			t.Fatalf("mend: %v", err)
		}
		d.put(t, name, []byte(data))
	}
}

func (d disks) put(t *rapid.T, name string, data []byte) {
	f, err := d.state.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(data)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	d.syncDir(t, path.Dir(name))
}

func (d disks) remove(t *rapid.T, name string) {
	if err := d.state.Remove(name); err != nil {
		t.Fatalf("remove %s: %v", name, err)
	}
	d.syncDir(t, path.Dir(name))
}

func (d disks) syncDir(t *rapid.T, dir string) {
	f, err := d.state.OpenDir(dir)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatalf("sync %s: %v", dir, err)
	}
}
