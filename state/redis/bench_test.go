package redis

import (
	"encoding/binary"
	"testing"

	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/redis/redistest"
)

const benchKeys = 100_000

func benchBackend(b *testing.B) (*backend, *state.Batch) {
	server := redistest.Start(b, "--appendfsync", "everysec")
	opened, err := storeAt(server.URL()).Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = opened.Close() })
	batch, value := new(state.Batch), make([]byte, 250)
	for i := range uint32(benchKeys) {
		batch.Set(binary.BigEndian.AppendUint32(nil, i), value)
	}
	return opened.(*backend), batch
}

// BenchmarkApply applies 100,000 values of 250 bytes.
func BenchmarkApply(b *testing.B) {
	opened, batch := benchBackend(b)
	b.SetBytes(int64(batch.Size()))
	b.ReportAllocs()
	for b.Loop() {
		if err := opened.Apply(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScan reads them.
func BenchmarkScan(b *testing.B) {
	opened, batch := benchBackend(b)
	if err := opened.Apply(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(batch.Size()))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := opened.Scan(b.Context(), nil, nil, func(_, _ []byte) error { n++; return nil })
		if err != nil || n != benchKeys {
			b.Fatal(n, err)
		}
	}
}
