package event

// Ref points at bytes of a batch: into Data, or into Extra when the top bit
// of Off is set.
type Ref struct{ Off, Len uint32 }

// extraBit marks a Ref into Batch.Extra.
const extraBit = 1 << 31

// MaxBatchBytes bounds Data and Extra of a batch, so that a Ref can reach all.
const MaxBatchBytes = extraBit

// Field is one column a plan needs.
type Field struct {
	// Path is the field's place in the event, outermost name first.
	Path []string
	// Text says that the text of strings (and the digits of Integers) is
	// read. Without it Column.Str stays empty and only Kind and Num are filled.
	Text bool
	// Numeric says that Num is read.
	Numeric bool
	// Attribute says that the field is not in the event but beside it, as the
	// source hands it over.
	Attribute bool
}

// Schema lists the columns of a batch, in order. Computed columns follow the
// ones that are read from the event.
type Schema struct {
	Fields []Field
	// Computed is how many columns follow Fields, filled by expressions.
	Computed int
}

// Column is one field of all rows of a batch. The three slices are as long as
// the batch, or nil where the plan has no use for them.
type Column struct {
	Kind []Kind
	Num  []float64
	Str  []Ref
}

// Origin names the partition that a batch came from.
type Origin struct {
	// Topic or Path, whichever the source has; both may be empty.
	Topic, Path string
	// Partition is the number within a topic; 0 for files.
	Partition int32
}

// Dead is a record that could not be decoded.
type Dead struct {
	Raw    Ref
	Offset int64
	// Reason is a short class for counters, such as "json" or "time"; Err
	// tells a person what is wrong.
	Reason string
	Err    string
}

// Batch is a run of events of one partition, in the order of their offsets,
// as columns. It is filled once, then read only, then reset and used again.
type Batch struct {
	// Schema is the order of Columns.
	Schema *Schema
	Origin *Origin
	// Data holds the records as they came; Extra what decoding had to write,
	// such as strings without their escapes.
	Data, Extra []byte

	// N is the number of rows. Time is nanoseconds since 1970. Raw is the
	// record, Offset its position in the partition.
	N      int
	Time   []int64
	Raw    []Ref
	Offset []int64
	// Columns are in the order of Schema.Fields, then the computed ones.
	Columns []Column
	// Drop marks rows that an operator filtered out: they move the watermark
	// and are counted, nothing else. Empty when no operator dropped any, else
	// as long as the batch.
	Drop []bool

	// Dead are the records that gave no row.
	Dead []Dead
	// Next is the position after the last record: where reading goes on.
	Next int64
}

// Bytes returns what r points at; the slice is valid as long as the batch.
func (b *Batch) Bytes(r Ref) []byte {
	if r.Off&extraBit != 0 {
		off := r.Off &^ extraBit
		return b.Extra[off : off+r.Len : off+r.Len]
	}
	return b.Data[r.Off : r.Off+r.Len : r.Off+r.Len]
}

// AddExtra appends text to Extra and returns where it is.
func (b *Batch) AddExtra(text []byte) Ref {
	off := len(b.Extra)
	b.Extra = append(b.Extra, text...)
	return Ref{Off: uint32(off) | extraBit, Len: uint32(len(text))}
}

// ExtraFrom returns a Ref to what was appended to Extra since it had length
// off.
func (b *Batch) ExtraFrom(off int) Ref {
	return Ref{Off: uint32(off) | extraBit, Len: uint32(len(b.Extra) - off)}
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset(s *Schema, o *Origin) {
	b.Schema, b.Origin = s, o
	b.Data, b.Extra = nil, b.Extra[:0]
	b.N, b.Next = 0, 0
	b.Time, b.Raw, b.Offset = b.Time[:0], b.Raw[:0], b.Offset[:0]
	b.Drop, b.Dead = b.Drop[:0], b.Dead[:0]
	n := len(s.Fields) + s.Computed
	for len(b.Columns) < n {
		b.Columns = append(b.Columns, Column{})
	}
	b.Columns = b.Columns[:n]
	for i := range b.Columns {
		c := &b.Columns[i]
		c.Kind, c.Num, c.Str = c.Kind[:0], c.Num[:0], c.Str[:0]
	}
}

// Value returns column c of a row by itself, with its text copied.
func (b *Batch) Value(c *Column, row int) Value {
	v := Value{Kind: c.Kind[row]}
	if len(c.Num) > 0 {
		v.Num = c.Num[row]
	}
	if len(c.Str) > 0 && (v.Kind == String || v.Kind == Integer || v.Kind == Composite) {
		v.Str = string(b.Bytes(c.Str[row]))
	}
	return v
}
