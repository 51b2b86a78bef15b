package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/llm-optimizer/processor/source"
)

// The lag is what the brokers have said lately.
func TestLagIsWhatIsKnown(t *testing.T) {
	now := time.Now()
	p := &partition{passed: 10, ends: ends{end: -1, stuck: -1}}
	check := func(what string, records int64, seconds float64) {
		t.Helper()
		if l := p.lag(now); l != (source.Lag{Records: records, Seconds: seconds}) {
			t.Errorf("%s: %+v, want %d records and %v seconds", what, l, records, seconds)
		}
	}
	check("before the first answer", -1, -1)
	p.heardEnd(listed{offset: 15}, now)
	check("with nothing read", 5, -1)
	p.lastTime = now.Add(-3 * time.Second)
	check("with something read", 5, 3)
	p.heardEnd(listed{err: kerr.NotLeaderForPartition}, now)
	check("after an answer that says nothing", 5, 3)
	now = now.Add(lagPatience + 1)
	check("with an old answer", -1, -1)
	p.heardEnd(listed{offset: 10}, now)
	check("with all read", 0, 0)
}
