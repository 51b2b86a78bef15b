package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	iofs "io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"

	"github.com/llm-optimizer/processor/internal/failpoint"
)

// guardName is a file beside the manifest and the log that says how long they
// are and what their checksums are.
//
// The manifest is a log of which tables make up the database. Pebble takes a
// record of it that is damaged for the end of it, as a crash may leave it,
// opens the database as it was before that record, and removes what the later
// ones added: state would be lost without a word. The same goes for the
// write-ahead log, whose records tell that those before them were synced, but
// not within the last 32 KiB. So the gate notes the length and the checksum of
// either whenever it is synced; only what is behind the length noted may have
// been cut short by a crash.
//
// A note of the manifest is durable before Pebble learns that the manifest is,
// and acts on it. One of the log is written without a sync, which would double
// those of an Apply: it survives the process, and mostly the machine.
//
// Either has two slots, which are written by turns, so that one is whole after
// a crash within a write. A new manifest is noted before it becomes the
// current one: the other slot still knows the old one then. Before a log is
// removed that is noted, too: one that is missing and was not done with is lost.
const (
	guardName    = "GUARD"
	guardMagic   = "PGD1"
	slotBytes    = 64
	slotStride   = 512 // a sector each
	manifestSlot = 0   // the first of two
	logSlot      = 2
	slots        = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// note is what a slot says of a manifest.
type note struct {
	turn   uint64
	name   string
	length uint64
	sum    uint32
}

// encode makes a slot: magic, turn, length, sum, the name with its length, and
// a checksum of all that.
func (n note) encode() []byte {
	b := make([]byte, slotBytes)
	copy(b, guardMagic)
	binary.BigEndian.PutUint64(b[4:], n.turn)
	binary.BigEndian.PutUint64(b[12:], n.length)
	binary.BigEndian.PutUint32(b[20:], n.sum)
	b[24] = byte(copy(b[25:slotBytes-4], n.name))
	binary.BigEndian.PutUint32(b[slotBytes-4:], crc32.Checksum(b[:slotBytes-4], castagnoli))
	return b
}

// decodeNote reads a slot, if it is whole.
func decodeNote(b []byte) (n note, ok bool) {
	if len(b) < slotBytes || string(b[:4]) != guardMagic ||
		crc32.Checksum(b[:slotBytes-4], castagnoli) != binary.BigEndian.Uint32(b[slotBytes-4:]) ||
		int(b[24]) > slotBytes-4-25 {
		return n, false
	}
	return note{
		turn:   binary.BigEndian.Uint64(b[4:]),
		length: binary.BigEndian.Uint64(b[12:]),
		sum:    binary.BigEndian.Uint32(b[20:]),
		name:   string(b[25 : 25+int(b[24])]),
	}, true
}

// notes are those that are whole, by slot.
type notes [slots]note

// readNotes returns the notes of a database; all are zero if it has none.
func readNotes(fs vfs.FS, dir string) (list notes, err error) {
	data, err := readFile(fs, fs.PathJoin(dir, guardName))
	if errors.Is(err, iofs.ErrNotExist) {
		return list, nil
	}
	for slot := 0; slot < slots && slot*slotStride < len(data); slot++ {
		if n, ok := decodeNote(data[slot*slotStride:]); ok {
			list[slot] = n
		}
	}
	return list, err
}

// latest returns the latest of the notes of a file, zero if there is none.
func (list notes) latest(name string) (latest note) {
	for _, n := range list {
		if n.name == name && n.turn > latest.turn {
			latest = n
		}
	}
	return latest
}

// nextTurn is one more than that of the latest note of any file. So the notes
// of a new file do not begin in the slot of the latest of the old one.
func (list notes) nextTurn(first int) uint64 {
	return max(list[first].turn, list[first+1].turn) + 1
}

// writeNote puts a note into the slot whose turn it is, of two.
func writeNote(fs vfs.FS, dir string, first int, n note, durable bool) error {
	name := fs.PathJoin(dir, guardName)
	_, err := fs.Stat(name)
	isNew := errors.Is(err, iofs.ErrNotExist)
	f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(n.encode(), int64(first+int(n.turn%2))*slotStride)
	if durable {
		err = errors.Join(err, f.Sync())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if isNew {
		return syncDir(fs, dir)
	}
	return nil
}

// checkGuard holds the files of a database against what was noted of them.
func checkGuard(fs vfs.FS, dir string) error {
	name, data, err := readManifest(fs, dir)
	if err != nil || name == "" {
		return explainOpen(err)
	}
	list, err := readNotes(fs, dir)
	if err != nil {
		return explainOpen(fmt.Errorf("read the notes in %s: %w", dir, err))
	}
	n := list.latest(name)
	if n.turn == 0 {
		return damaged(fmt.Errorf("%s is not known to %s", fs.PathJoin(dir, name), guardName))
	}
	if err := n.check(fs, dir, data); err != nil {
		return err
	}
	return checkLog(fs, dir, list)
}

// retire notes that a log is needed no more, before it is removed. The notes
// are durable then, whichever they are: an older one, without a sync of what
// has replaced it since, would miss the log after a crash.
func (g *gate) retire(log string) error {
	g.notes.Lock()
	defer g.notes.Unlock()
	list, err := readNotes(g.FS, g.dir)
	if err != nil {
		return err
	}
	for _, n := range list[logSlot:] {
		if n.name == log {
			n.length, n.sum = 0, 0
			err = errors.Join(err, writeNote(g.FS, g.dir, logSlot, n, false))
		}
	}
	if err = errors.Join(err, syncNotes(g.FS, g.dir)); err != nil {
		return fmt.Errorf("note that %s is done with: %w", log, err)
	}
	return nil
}

// syncNotes makes the notes of a database durable, if it has any.
func syncNotes(fs vfs.FS, dir string) error {
	name := fs.PathJoin(dir, guardName)
	if _, err := fs.Stat(name); errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// checkLog does so for the logs that were noted last. One that was not needed
// any more has a note without a length.
func checkLog(fs vfs.FS, dir string, list notes) error {
	for _, n := range list[logSlot:] {
		if n.length == 0 || list.latest(n.name).turn > n.turn {
			continue
		}
		data, err := readFile(fs, fs.PathJoin(dir, n.name))
		if err != nil {
			return explainOpen(err)
		}
		if err := n.check(fs, dir, data); err != nil {
			return err
		}
	}
	return nil
}

// check holds the data of a file against a note.
func (n note) check(fs vfs.FS, dir string, data []byte) error {
	if n.length > uint64(len(data)) {
		return damaged(fmt.Errorf("%s is cut off: it has %d of %d bytes", fs.PathJoin(dir, n.name), len(data), n.length))
	}
	if crc32.Checksum(data[:n.length], castagnoli) != n.sum {
		return damaged(fmt.Errorf("%s has another checksum than when it was written", fs.PathJoin(dir, n.name)))
	}
	return nil
}

// vouch notes the manifest of a database that is closed and was just written.
func vouch(fs vfs.FS, dir string) error {
	name, data, err := readManifest(fs, dir)
	if err != nil {
		return err
	}
	list, err := readNotes(fs, dir)
	if err != nil {
		return err
	}
	n := note{list.nextTurn(manifestSlot), name, uint64(len(data)), crc32.Checksum(data, castagnoli)}
	return writeNote(fs, dir, manifestSlot, n, true)
}

// readManifest reads the current manifest; name is "" if there is none.
func readManifest(fs vfs.FS, dir string) (name string, data []byte, err error) {
	if name, err = currentManifest(fs, dir); err != nil || name == "" {
		return "", nil, err
	}
	data, err = readFile(fs, fs.PathJoin(dir, name))
	return name, data, err
}

// currentManifest names the current manifest, "" if there is none.
func currentManifest(fs vfs.FS, dir string) (string, error) {
	marker, name, err := atomicfs.LocateMarker(fs, dir, "manifest")
	if errors.Is(err, iofs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return name, marker.Close()
}

func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// guarded is a file that is noted when it is synced.
type guarded struct {
	gateFile
	slot    int // the first of its two
	durable bool
	note    note
}

// isManifest reports whether a file is a manifest of this database.
func (g *gate) isManifest(name string) bool {
	return strings.HasPrefix(g.PathBase(name), "MANIFEST-") && g.PathDir(name) == g.dir
}

// guard returns a new file as one that is noted, if it is of a kind that is.
func (g *gate) guard(name string, f *gateFile) (vfs.File, error) {
	slot, durable := logSlot, false
	switch {
	case g.isManifest(name):
		slot, durable = manifestSlot, true
	case !g.isLog(name):
		return f, nil
	}
	var turn uint64
	err := g.do(f.silent, func() error {
		list, err := readNotes(g.FS, g.dir)
		turn = list.nextTurn(slot)
		if err != nil || slot == logSlot {
			return err
		}
		// Crashes may leave several new manifests, none of which became current.
		current, err := currentManifest(g.FS, g.dir)
		if turn%2 == list.latest(current).turn%2 {
			turn++
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &guarded{*f, slot, durable, note{turn: turn, name: g.PathBase(name)}}, nil
}

// Write appends, and counts.
func (f *guarded) Write(p []byte) (int, error) {
	sum := crc32.Update(f.note.sum, castagnoli, p) // before the write, which may change p
	n, err := f.gateFile.Write(p)
	if err == nil {
		f.note.length, f.note.sum = f.note.length+uint64(n), sum
	}
	return n, err
}

// Sync makes the file durable and notes it.
func (f *guarded) Sync() error { return f.sync(f.File.Sync) }

// SyncData does so too.
func (f *guarded) SyncData() error { return f.sync(f.File.SyncData) }

func (f *guarded) sync(sync func() error) error {
	return f.gate.do(f.silent, func() error {
		if err := sync(); err != nil {
			return err
		}
		failpoint.At("pebble/before-note")
		f.gate.notes.Lock()
		defer f.gate.notes.Unlock()
		if err := writeNote(f.gate.FS, f.gate.dir, f.slot, f.note, f.durable); err != nil {
			return fmt.Errorf("note %s: %w", f.note.name, err)
		}
		f.note.turn++
		return nil
	})
}
