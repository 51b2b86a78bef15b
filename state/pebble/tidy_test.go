package pebble

import (
	"encoding/binary"
	"errors"
	iofs "io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/state"
)

// TestSpaceIsGivenBack writes 50 MB (5 with -short), deletes them and applies
// nothing more: while the store stays open its folder becomes small.
func TestSpaceIsGivenBack(t *testing.T) {
	n := uint64(200_000)
	if testing.Short() {
		n = 20_000
	}
	for name, remove := range map[string]func(b *state.Batch){
		"as a range": func(b *state.Batch) { b.DeleteRange([]byte{0}, []byte{0xff}) },
		"one by one": func(b *state.Batch) {
			for i := range n {
				b.Delete(binary.BigEndian.AppendUint64(nil, i*0x9e3779b97f4a7c15))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Store{Path: t.TempDir(), Idle: 20 * time.Millisecond}
			b := mustOpen(t, s)
			var batch state.Batch
			value := make([]byte, 250)
			for i := range n {
				binary.BigEndian.PutUint64(value[i%240:], i*i)
				batch.Set(binary.BigEndian.AppendUint64(nil, i*0x9e3779b97f4a7c15), value)
				if (i+1)%(n/4) == 0 {
					if err := b.Apply(t.Context(), &batch); err != nil {
						t.Fatal(err)
					}
					batch.Reset()
				}
			}
			if before := diskBytes(t, s.Path); before < 50*int64(n) {
				t.Errorf("%d bytes are on the disk before", before)
			}
			remove(&batch)
			if err := b.Apply(t.Context(), &batch); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool { return diskBytes(t, s.Path) < 100<<10 })
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// diskBytes is the size of the files in a folder; some may go meanwhile.
func diskBytes(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d iofs.DirEntry, err error) error {
		if errors.Is(err, iofs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, iofs.ErrNotExist) {
			return nil
		}
		n += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// eventually waits generously for something to become true.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for range 6000 {
		if is() {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatal("it did not happen within a minute")
}

func mustOpen(t *testing.T, s *Store) *backend {
	t.Helper()
	b, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b.(*backend)
}
