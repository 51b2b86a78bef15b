package epoch

import (
	"fmt"

	"github.com/llm-optimizer/processor/state"
)

// Contents is what rows a block has.
type Contents struct {
	// Queries are those that its results are of.
	Queries []string
	// Late and Dead are how many late events and dead letters it has.
	Late, Dead uint64
}

// Contents tells what is in a block, without reading its rows. Errors wrap
// state.ErrCorrupt.
func (d *Decoder) Contents(payload []byte) (Contents, error) {
	c, err := d.contents(payload)
	d.forget()
	if err != nil {
		return Contents{}, fmt.Errorf("rows of an epoch: %w: %w", state.ErrCorrupt, err)
	}
	return c, nil
}

func (d *Decoder) contents(payload []byte) (c Contents, err error) {
	raw, err := d.unpack(payload)
	if err != nil {
		return c, err
	}
	r := reader{buf: raw}
	s, dict := head(&r)
	if r.err != nil {
		return c, errParts
	}
	if err := d.dictionary(dict, payload[0]&withFunctions != 0); err != nil {
		return c, err
	}
	c.Late, c.Dead = s.late, s.dead
	for _, q := range d.queries {
		c.Queries = append(c.Queries, q.Name)
	}
	return c, nil
}
