package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/llm-optimizer/processor/state"
)

// fill makes a batch of n entries of 250 bytes, a window's worth each; the
// second time with the same salt it sets the same keys.
func fill(b *state.Batch, n int, salt uint64) {
	b.Reset()
	key, value := make([]byte, 40), make([]byte, 210)
	for i := range uint64(n) {
		binary.BigEndian.PutUint64(key, (i+salt)*0x9e3779b97f4a7c15)
		for j := 0; j+8 <= len(value); j += 8 {
			binary.BigEndian.PutUint64(value[j:], i*uint64(j+1)+salt)
		}
		b.Set(key, value)
	}
}

// BenchmarkApply commits 100,000 entries of 250 bytes at a time, as an epoch
// of a large state does.
func BenchmarkApply(b *testing.B) {
	for _, mib := range []int64{8, 16, 32, 64} {
		b.Run(fmt.Sprintf("memtable=%dMiB", mib), func(b *testing.B) {
			s := &Store{Path: b.TempDir(), MemtableBytes: mib << 20}
			backend, err := s.Open(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			var batch state.Batch
			salt := uint64(0)
			for b.Loop() {
				b.StopTimer()
				salt = (salt + 50_000) % 500_000
				fill(&batch, 100_000, salt)
				b.SetBytes(int64(batch.Size()))
				b.StartTimer()
				if err := backend.Apply(b.Context(), &batch); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys-m.HeapReleased)/(1<<20), "MiB")
			if err := backend.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkApplySmall commits what a quiet pipeline does each second.
func BenchmarkApplySmall(b *testing.B) {
	s := &Store{Path: b.TempDir()}
	backend, err := s.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var batch state.Batch
	fill(&batch, 10, 0)
	for b.Loop() {
		if err := backend.Apply(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := backend.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkScan reads a million entries, as a start does.
func BenchmarkScan(b *testing.B) {
	s := &Store{Path: b.TempDir()}
	backend, err := s.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var batch state.Batch
	for i := range uint64(10) {
		fill(&batch, 100_000, i*100_000)
		if err := backend.Apply(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for b.Loop() {
		n := 0
		err := backend.Scan(b.Context(), nil, nil, func(_, _ []byte) error {
			n++
			return nil
		})
		if err := errors.Join(err, b.Context().Err()); err != nil || n != 1_000_000 {
			b.Fatal(n, err)
		}
	}
	b.StopTimer()
	if err := backend.Close(); err != nil {
		b.Fatal(err)
	}
}
