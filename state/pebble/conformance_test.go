package pebble

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/statetest"
)

func TestConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store { return &Store{Path: t.TempDir()} })
}

func TestConformanceInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in a short run: TestConformance is the same on a disk")
	}
	statetest.Run(t, func(*testing.T) state.Store {
		return &Store{Path: "state/health", FS: vfs.NewMem(), MemtableBytes: 1 << 20}
	})
}
