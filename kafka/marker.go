package kafka

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/llm-optimizer/processor/sink"
)

// A marker is a record of the marker topic: its key is the sink's identity,
// its value says up to which epoch the sink's topics hold the rows. It is part
// of the transaction of these rows, so it is committed or aborted with them.
// The topic is compacted: what counts is the last one of a key.
type marker struct {
	incarnation [16]byte
	epoch       uint64
	offset      int64 // in the marker topic
	producer    int64 // that has written it, if it was read there
}

// markerVersion is the version of a marker's value and of the token.
const markerVersion = 1

// markerSpec is how the marker topic is created. One partition: what came last
// is then a matter of offsets. Small segments, cleaned soon: a start without a
// token reads the whole topic.
func markerSpec() *TopicSpec {
	return &TopicSpec{Partitions: 1, Config: map[string]string{
		"cleanup.policy":            "compact",
		"segment.bytes":             "8388608",
		"min.cleanable.dirty.ratio": "0.1",
		"delete.retention.ms":       "60000",
	}}
}

type markerValue struct {
	Version     int    `json:"version"`
	Incarnation string `json:"incarnation"`
	Epoch       uint64 `json:"epoch"`
}

// appendMarker appends the value that marks an epoch.
func appendMarker(dst []byte, m sink.Mark) []byte {
	dst = fmt.Appendf(dst, `{"version":%d,"incarnation":"`, markerVersion)
	dst = hex.AppendEncode(dst, m.Incarnation[:])
	return fmt.Appendf(dst, `","epoch":%d}`, m.Epoch)
}

// parseMarker reads the value at an offset.
func parseMarker(value []byte, offset int64) (*marker, error) {
	var v markerValue
	err := json.Unmarshal(value, &v)
	if err == nil && v.Version != markerVersion {
		return nil, fmt.Errorf("it has format %d, and this program reads format %d: go on with the version that wrote it", v.Version, markerVersion)
	}
	m := &marker{epoch: v.Epoch, offset: offset}
	if err == nil {
		var incarnation []byte
		if incarnation, err = hex.DecodeString(v.Incarnation); err == nil && copy(m.incarnation[:], incarnation) != len(m.incarnation) {
			err = fmt.Errorf("an incarnation of %d bytes", len(incarnation))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("it is no mark (%w): something else writes to this topic under this key", err)
	}
	return m, nil
}

// markerToken is what the state keeps of a mark that was committed.
const markerTokenSize = 1 + 8 + 8

// token is the mark's epoch, by which a marker topic that has lost it is told,
// and its offset, from where on it is looked for.
func (m *marker) token() []byte {
	token := binary.BigEndian.AppendUint64([]byte{markerVersion}, m.epoch)
	return binary.BigEndian.AppendUint64(token, uint64(m.offset))
}

// parseMarkerToken returns what a token says, nil for none. An empty one is of
// a sink that had no marks.
func parseMarkerToken(token []byte) (*marker, error) {
	switch {
	case len(token) == 0:
		return nil, nil
	case token[0] != markerVersion:
		return nil, fmt.Errorf("its mark has format %d, and this program reads format %d: go on with the version that wrote it", token[0], markerVersion)
	case len(token) != markerTokenSize || token[9] >= 0x80:
		return nil, fmt.Errorf("its mark of %d bytes is damaged", len(token))
	}
	return &marker{epoch: binary.BigEndian.Uint64(token[1:]), offset: int64(binary.BigEndian.Uint64(token[9:]))}, nil
}
