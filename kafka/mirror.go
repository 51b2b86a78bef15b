package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/source"
)

const (
	// mirrorEvery is the least time between two commits to the group.
	mirrorEvery = time.Second
	// mirrorPatience bounds one of them, also the last one.
	mirrorPatience = 3 * time.Second
)

// mirror commits positions to a consumer group for others to see. Nobody reads
// them back, so what fails is only told.
type mirror struct {
	admin   *kadm.Client
	cluster *Cluster
	group   string
	log     *slog.Logger
	some    signal

	mu     sync.Mutex
	latest map[place]int64
	broken bool
}

func newMirror(client *kgo.Client, cluster *Cluster, group string, log *slog.Logger) *mirror {
	return &mirror{
		admin: kadm.NewClient(client), cluster: cluster, group: group, log: log,
		some: newSignal(), latest: map[place]int64{},
	}
}

// note keeps the newest positions.
func (m *mirror) note(saved []source.Saved) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range saved {
		s := &saved[i]
		m.latest[place{s.Origin.Topic, s.Origin.Partition}] = s.Position
	}
	m.some.set()
}

// run commits until ctx ends, and then what is left.
func (m *mirror) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-m.some:
			m.commit(ctx)
			pause(ctx, mirrorEvery)
		}
	}
	m.commit(context.WithoutCancel(ctx))
}

// commit sends what has changed since the last time. What was not taken is sent
// again with what comes next.
func (m *mirror) commit(ctx context.Context) {
	m.mu.Lock()
	sent := m.latest
	m.latest = map[place]int64{}
	m.mu.Unlock()
	if len(sent) == 0 {
		return
	}
	offsets := kadm.Offsets{}
	for p, at := range sent {
		offsets.AddOffset(p.topic, p.partition, at, -1)
	}
	bounded, cancel := context.WithTimeout(ctx, mirrorPatience)
	defer cancel()
	err := m.admin.CommitAllOffsets(bounded, m.group, offsets)
	if err != nil {
		m.putBack(sent)
	}
	m.tell(err)
}

func (m *mirror) putBack(sent map[place]int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p, at := range sent {
		if _, newer := m.latest[p]; !newer {
			m.latest[p] = at
		}
	}
}

// tell logs when it begins to fail, and when it goes well again.
func (m *mirror) tell(err error) {
	switch {
	case err != nil && stopped(err):
	case err != nil && !m.broken:
		m.broken = true
		m.log.Warn("positions cannot be mirrored to the consumer group; the pipeline does not need them there",
			"group", m.group, "error", about{cluster: m.cluster, does: "use", group: m.group}.explain(err))
	case err == nil && m.broken:
		m.broken = false
		m.log.Info("positions are mirrored to the consumer group again", "group", m.group)
	}
}
