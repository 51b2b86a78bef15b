package epoch

import (
	"context"
	"errors"
	"fmt"

	"github.com/llm-optimizer/processor/state"
)

// Snapshot is what a start needs of a store, but for the windows and rows.
type Snapshot struct {
	// Header is nil if the store is empty; then so is the rest.
	Header *Header
	Record Record
	// Partitions are in the order of their ids.
	Partitions []Partition
	// Places are by the sink's name.
	Places map[string]Place
	// OutboxFirst and OutboxLast are the oldest and the newest epoch that has
	// rows in the store; both 0 if none has.
	OutboxFirst, OutboxLast uint64
}

var (
	errNoHeader = errors.New("there is no header, but other keys are there")
	errNoRecord = errors.New("it is missing")
	errKey      = errors.New("no key of a state looks like that")
	// errEnough ends a scan that has seen what it came for.
	errEnough = errors.New("enough")
)

// Load reads a store. Errors wrap state.ErrCorrupt or state.ErrVersion where
// what is stored is to blame, and name the key.
func Load(ctx context.Context, b state.Backend) (*Snapshot, error) {
	s := &Snapshot{Places: map[string]Place{}}
	if err := s.load(ctx, b); err != nil {
		return nil, fmt.Errorf("reading the last epoch: %w", err)
	}
	return s, nil
}

func (s *Snapshot) load(ctx context.Context, b state.Backend) error {
	empty, err := s.header(ctx, b)
	if err != nil || empty {
		return err
	}
	seen, afterSeen := classRange(classSeen)
	outbox, afterOutbox := classRange(classOutbox)
	windows, afterWindows := classRange(classWindow)
	for _, r := range [...][2][]byte{{nil, seen}, {afterSeen, outbox}, {afterOutbox, windows}, {afterWindows, nil}} {
		if err := b.Scan(ctx, r[0], r[1], s.add); err != nil {
			return err
		}
	}
	if s.Record.Number == 0 {
		return corrupt(recordKey, errNoRecord)
	}
	for _, p := range s.Places {
		if p.Epoch > s.Record.Number {
			return corrupt(placeKey(p.Sink), fmt.Errorf("it is at epoch %d, the last one is %d", p.Epoch, s.Record.Number))
		}
	}
	return s.outbox(ctx, b)
}

// header reads the header, which decides whether the rest can be read.
func (s *Snapshot) header(ctx context.Context, b state.Backend) (empty bool, err error) {
	value, err := b.Get(ctx, headerKey)
	if errors.Is(err, state.ErrNotFound) {
		key, err := firstKey(ctx, b, nil, nil)
		if err != nil || key == nil {
			return true, err
		}
		return false, corrupt(key, errNoHeader)
	}
	if err != nil {
		return false, err
	}
	s.Header, err = readHeader(headerKey, value)
	return false, err
}

// LoadHeader reads the header of a store only; it is nil if the store is empty.
// Errors are those of Load.
func LoadHeader(ctx context.Context, b state.Backend) (*Header, error) {
	var s Snapshot
	if _, err := s.header(ctx, b); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	return s.Header, nil
}

func readHeader(key, value []byte) (*Header, error) {
	payload, err := Open(key, value)
	if err != nil {
		return nil, err
	}
	h, err := decodeHeader(payload)
	switch {
	case errors.Is(err, state.ErrVersion):
		return nil, fmt.Errorf("%s: %w", DescribeKey(key), err)
	case err != nil:
		return nil, corrupt(key, err)
	}
	return h, nil
}

// add takes one value that is neither a window's nor a block of rows.
func (s *Snapshot) add(key, value []byte) error {
	if string(key) == string(headerKey) {
		return nil
	}
	payload, err := Open(key, value)
	if err != nil {
		return err
	}
	if string(key) == string(recordKey) {
		rec, err := decodeRecord(payload)
		if err != nil {
			return corrupt(key, err)
		}
		s.Record = rec
		return nil
	}
	if id, ok := parsePartitionKey(key); ok {
		p, err := decodePartition(id, payload)
		if err != nil {
			return corrupt(key, err)
		}
		s.Partitions = append(s.Partitions, p)
		return nil
	}
	if sink, ok := parsePlaceKey(key); ok {
		p, err := decodePlace(sink, payload)
		if err != nil {
			return corrupt(key, err)
		}
		s.Places[sink] = p
		return nil
	}
	return corrupt(key, errKey)
}

// outbox finds the oldest and the newest epoch that has rows. The newest one is
// searched for by halves: to read all rows would take long.
func (s *Snapshot) outbox(ctx context.Context, b state.Backend) error {
	if key, err := firstOutbox(ctx, b, s.Record.Number+1); err != nil {
		return err
	} else if key != nil {
		return corrupt(key, fmt.Errorf("the last epoch is %d", s.Record.Number))
	}
	key, err := firstOutbox(ctx, b, 0)
	if err != nil || key == nil {
		return err
	}
	first, _, ok := ParseOutboxKey(key)
	if !ok {
		return corrupt(key, errKey)
	}
	s.OutboxFirst = first
	s.OutboxLast, err = lastOutbox(ctx, b, first, s.Record.Number)
	return err
}

// lastOutbox finds the newest epoch that has rows; low has some, and none after
// high has.
func lastOutbox(ctx context.Context, b state.Backend, low, high uint64) (uint64, error) {
	for middle := high; low < high; middle = high - (high-low)/2 {
		key, err := firstOutbox(ctx, b, middle)
		switch {
		case err != nil:
			return 0, err
		case key == nil:
			high = middle - 1
			continue
		}
		epoch, _, ok := ParseOutboxKey(key)
		if !ok {
			return 0, corrupt(key, errKey)
		}
		low = epoch
	}
	return low, nil
}

// firstOutbox returns the first key of a block of an epoch or a later one, nil
// if there is none.
func firstOutbox(ctx context.Context, b state.Backend, epoch uint64) ([]byte, error) {
	from, _ := OutboxRange(epoch, epoch)
	if epoch == 0 {
		from, _ = classRange(classOutbox) // damaged ones, too
	}
	_, to := classRange(classOutbox)
	return firstKey(ctx, b, from, to)
}

func firstKey(ctx context.Context, b state.Backend, from, to []byte) (first []byte, err error) {
	err = b.Scan(ctx, from, to, func(key, _ []byte) error {
		first = append([]byte{}, key...)
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return first, err
}

// Windows calls fn for each stored window of a query, in the order of kind,
// time and key. The slices are valid until fn returns. An error of fn ends it,
// and is returned with the window's description.
func Windows(ctx context.Context, b state.Backend, hash uint64, fn func(kind Kind, time int64, key, payload []byte) error) error {
	from, to := queryRange(hash)
	return b.Scan(ctx, from, to, func(key, value []byte) error {
		w, ok := ParseWindowKey(key)
		if !ok {
			return corrupt(key, errKey)
		}
		payload, err := Open(key, value)
		if err != nil {
			return err
		}
		if err := fn(w.Kind, w.Time, w.Key, payload); err != nil {
			return fmt.Errorf("%s: %w", describeWindow(w), err)
		}
		return nil
	})
}

// Block returns the payload of one block of an epoch's rows, which are numbered
// from 0, or state.ErrNotFound.
func Block(ctx context.Context, b state.Backend, epoch uint64, sequence uint32) ([]byte, error) {
	key := appendOutboxKey(nil, epoch, sequence)
	value, err := b.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return Open(key, value)
}

// Outbox calls fn for each block of rows of the epochs from one (inclusive) to
// another (exclusive), in their order. The payload, which Decoder.DecodeBlock
// reads, is valid until fn returns. An error of fn ends it, and is returned
// with the block's description.
func Outbox(ctx context.Context, b state.Backend, fromEpoch, toEpoch uint64, fn func(epoch uint64, sequence uint32, payload []byte) error) error {
	from, to := OutboxRange(fromEpoch, toEpoch)
	return b.Scan(ctx, from, to, func(key, value []byte) error {
		epoch, sequence, ok := ParseOutboxKey(key)
		if !ok {
			return corrupt(key, errKey)
		}
		payload, err := Open(key, value)
		if err != nil {
			return err
		}
		if err := fn(epoch, sequence, payload); err != nil {
			return fmt.Errorf("%s: %w", DescribeKey(key), err)
		}
		return nil
	})
}
