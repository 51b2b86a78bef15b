package fs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOS(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "some", "folders")
	for range 2 { // the second time they are there
		if err := OS.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "file")
	for range 2 {
		f, err := OS.OpenAppend(path)
		if err != nil {
			t.Fatal(err)
		}
		_, werr := f.Write([]byte("text."))
		if err := errors.Join(werr, f.Sync(), f.Close(), OS.SyncDir(dir)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "text.text." {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if err := OS.SyncDir(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("sync a folder that is not there: %v", err)
	}
	if err := OS.MkdirAll(filepath.Join(path, "below")); err == nil {
		t.Error("a folder was made in a file")
	}
}
