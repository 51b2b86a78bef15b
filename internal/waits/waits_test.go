package waits_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-optimizer/processor/internal/waits"
)

func TestWaitsUnderWayCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s waits.Sum
		want := func(d time.Duration) {
			t.Helper()
			if got := s.Total(); got != d {
				t.Errorf("waited for %v, want %v", got, d)
			}
		}
		want(0)
		time.Sleep(time.Hour)
		first := s.Begin()
		want(0)
		time.Sleep(2 * time.Second)
		want(2 * time.Second)
		second := s.Begin()
		time.Sleep(3 * time.Second)
		want(8 * time.Second)
		first.End()
		want(8 * time.Second)
		time.Sleep(time.Second)
		want(9 * time.Second)
		second.End()
		time.Sleep(time.Hour)
		want(9 * time.Second)
		s.Begin().End()
		want(9 * time.Second)
	})
}
