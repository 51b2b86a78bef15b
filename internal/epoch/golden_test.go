package epoch

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/result"
)

var update = flag.Bool("update", false, "write the golden files again; a new format needs a folder of its own")

// golden compares a text with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is written now:\n%s", file, got)
	}
}

// The store of version 1, with one of everything: a line for each key, and its
// value. It is kept for ever: whatever is written later, this must be read.
const goldenStore = "testdata/golden-v1/store.txt"

// TestGoldenIsRead reads what was once written.
func TestGoldenIsRead(t *testing.T) {
	r := newRoom(t)
	if *update {
		r.fill()
		golden(t, goldenStore, r.dump())
		r = newRoom(t)
	}
	text, err := os.ReadFile(goldenStore)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var key, value []byte
		if _, err := fmt.Sscanf(line, "%x %x", &key, &value); err != nil {
			t.Fatalf("%s: %v in %s", goldenStore, err, line)
		}
		r.set(key, value)
	}
	want := newRoom(t)
	want.fill()
	if got, want := r.load(), want.load(); !reflect.DeepEqual(got, want) {
		t.Errorf("the store holds\n%+v, want\n%+v", got, want)
	}
	if got, want := r.contents(), want.contents(); got != want {
		t.Errorf("the store holds\n%s, want\n%s", got, want)
	}
	if report := r.inspect(); report.ProblemCount > 0 {
		t.Errorf("the store has problems: %+v", report.Problems)
	}
}

// TestGoldenIsWritten: the bytes of version 1 stay what they are. Of rows that
// is only so until they are packed: the packer may get better.
func TestGoldenIsWritten(t *testing.T) {
	old, err := os.ReadFile(goldenStore)
	if err != nil {
		t.Fatal(err)
	}
	r := newRoom(t)
	r.fill()
	unpacked := newRoom(t)
	for line := range strings.Lines(string(old)) {
		var key, value []byte
		if _, err := fmt.Sscanf(line, "%x %x", &key, &value); err != nil {
			t.Fatal(err)
		}
		unpacked.set(key, value)
	}
	if got, want := r.unpackedDump(), unpacked.unpackedDump(); got != want {
		t.Errorf("what is written now is\n%s, and was\n%s; a new format needs a new number", got, want)
	}
}

// dump lists all keys and values.
func (r room) dump() string {
	r.Helper()
	var text strings.Builder
	err := r.Scan(r.Context(), nil, nil, func(key, value []byte) error {
		fmt.Fprintf(&text, "%x %x\n", key, value)
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return text.String()
}

// unpackedDump lists all keys and payloads, those of rows unpacked.
func (r room) unpackedDump() string {
	r.Helper()
	var text strings.Builder
	var d Decoder
	err := r.Scan(r.Context(), nil, nil, func(key, value []byte) error {
		payload, err := Open(key, value)
		if err != nil {
			return err
		}
		if _, _, ok := ParseOutboxKey(key); ok {
			if payload, err = d.unpack(payload); err != nil {
				return err
			}
		}
		fmt.Fprintf(&text, "%x %x\n", key, payload)
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return text.String()
}

// contents lists the windows and rows of a store.
func (r room) contents() string {
	r.Helper()
	var text bytes.Buffer
	for _, hash := range []uint64{hashOfMinute, hashOfSessions, hashOfSliding} {
		err := Windows(r.Context(), r, hash, func(kind Kind, time int64, key, payload []byte) error {
			fmt.Fprintln(&text, kind, time, hex.EncodeToString(key), string(payload))
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
	}
	var d Decoder
	err := Outbox(r.Context(), r, 0, 99, func(epoch uint64, sequence uint32, payload []byte) error {
		var b result.Batch
		if err := d.DecodeBlock(payload, &b); err != nil {
			return err
		}
		fmt.Fprintf(&text, "%d %d\n%s%s", epoch, sequence, plain(&b), b.AppendNDJSON(nil, true))
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return text.String()
}
