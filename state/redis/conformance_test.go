package redis

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/redis/redistest"
	"github.com/llm-optimizer/processor/state/statetest"
)

func TestConformance(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "no")
	var stores atomic.Int64
	statetest.Run(t, func(*testing.T) state.Store {
		return &Store{
			URL: server.URL(), Prefix: fmt.Sprintf("processor:%d", stores.Add(1)), Lease: 2 * time.Second,
		}
	})
}
