package kafka

import (
	"bytes"
	"fmt"

	"github.com/llm-optimizer/processor/source"
)

// recognize matches partitions with what was read of them, and tells those that
// are new where they begin. A token is the id of the topic.
func recognize(parts []source.Partition, saved []source.Saved, pattern bool) (match, gone []int, err error) {
	readBefore := map[string]bool{}
	for i := range saved {
		readBefore[saved[i].Origin.Topic] = true
	}
	for _, sp := range parts {
		p := sp.(*partition)
		m, others := p.among(saved)
		switch {
		case m >= 0:
			p.known = true
			gone = append(gone, others...) // a topic's id never comes back
		case len(others) > 0:
			return nil, nil, p.recreated()
		default:
			// What was not there when others were read has begun since then. A
			// topic that the config names anew begins as Start says.
			p.later = p.later || readBefore[p.place.topic] || pattern && len(saved) > 0
		}
		match = append(match, m)
	}
	return match, gone, nil
}

// among returns which of saved is the partition, or -1, and which were a
// partition of the same name and number of another topic.
func (p *partition) among(saved []source.Saved) (match int, others []int) {
	match = -1
	for i := range saved {
		s := &saved[i]
		switch {
		case s.Origin != p.origin:
		case match < 0 && (s.Token == nil || bytes.Equal(s.Token, p.id[:])):
			match = i
		default:
			others = append(others, i)
		}
	}
	return match, others
}

func (p *partition) recreated() error {
	return fmt.Errorf("topic %s was deleted and created again since it was read: its offsets mean other records now; "+
		"start over with --fresh, or read it under another pipeline name", p.place.topic)
}
