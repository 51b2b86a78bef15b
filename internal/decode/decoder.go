package decode

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// Defaults of Options.
const (
	DefaultMaxRecordBytes = 1 << 20
	DefaultMaxDepth       = 128
)

// Options say how records are read.
type Options struct {
	// Format is json, cloudevents or auto: json is any JSON object, its
	// fields read by their paths; for cloudevents see the rule at parseCloud;
	// auto decides for each record by the presence of specversion.
	Format string
	// TimePath is the field of the event time, outermost name first; it may be
	// a field of the schema too. In the format auto a CloudEvent without it
	// falls back to its time attribute.
	TimePath []string
	// TimeAttribute is 1 + the place among Chunk.Attributes of the one that
	// holds the event time, instead of TimePath; 0 is none.
	TimeAttribute int
	// TimeFormat is rfc3339, unix_s, unix_ms, unix_us or unix_ns. Unix times
	// are numbers, or strings that hold one.
	TimeFormat string
	// MaxRecordBytes is the size of the largest record; 0 means 1 MiB.
	MaxRecordBytes int
	// MaxDepth is how deep objects and arrays may nest, the root being at 1;
	// 0 means 128.
	MaxDepth int
	// MaxFuture is how far beyond Now, in nanoseconds since 1970, an event
	// time may lie. 0 or a nil Now is no limit. Now is called once a batch.
	MaxFuture time.Duration
	Now       func() int64
}

// Decoder fills batches from chunks. It belongs to one goroutine; Clone gives
// each worker its own.
type Decoder struct {
	scan
	rows
	schema *event.Schema
	opt    Options

	root    *node
	payload *node // nil in the format json
	attrs   []int // the columns of attributes, in the order of Chunk.Attributes
	given   []event.Column
	// envelopes are those of the chunk; nil if it has none.
	envelopes []event.Ref
	loose     entry // stands for keys that are not remembered
	serial    uint64

	unit    int // digits from the unix unit to nanoseconds; -1 for rfc3339
	date    dateCache
	found   findings
	limit   int64  // the latest allowed event time
	span    int    // of the record, where the chunk has spans
	base    uint32 // what turns an index of the view into the offset of a Ref
	padded  []byte // the view of a record that had to be copied
	scratch []byte // unescaped key names and times
}

// findings is what one record told beside its columns.
type findings struct {
	time       int64
	timeStatus timeStatus
	timeAt     event.Ref
	ownTime    bool // it is the CloudEvent's own
	overflow   bool // some wanted number is beyond float64

	cloud     bool // specversion is there
	data      span
	data64    span
	eventTime span // a CloudEvent's own time attribute
}

// span is a range of the view; the zero span is none, as a value never begins
// at 0, where the root does.
type span struct{ start, end int }

// New returns a decoder for a schema. It fails on an unknown format and on an
// empty path.
func New(schema *event.Schema, opt Options) (*Decoder, error) {
	if opt.MaxRecordBytes <= 0 {
		opt.MaxRecordBytes = DefaultMaxRecordBytes
	}
	if opt.MaxDepth <= 0 {
		opt.MaxDepth = DefaultMaxDepth
	}
	unit, ok := timeUnits[opt.TimeFormat]
	if !ok {
		return nil, fmt.Errorf("unknown time format %q: use rfc3339, unix_s, unix_ms, unix_us or unix_ns", opt.TimeFormat)
	}
	if len(opt.TimePath) == 0 {
		return nil, fmt.Errorf("the path of the event time is empty: name the field that holds it")
	}
	d := &Decoder{schema: schema, opt: opt, unit: unit}
	for i, f := range schema.Fields {
		if len(f.Path) == 0 {
			return nil, fmt.Errorf("the path of field %d is empty: name the field to read", i)
		}
		if f.Attribute {
			d.attrs = append(d.attrs, i)
		}
	}
	d.maxDepth = opt.MaxDepth
	timePath := opt.TimePath
	if opt.TimeAttribute > 0 {
		timePath = nil
	}
	switch opt.Format {
	case "json":
		d.root = plainTree(schema, timePath)
	case "cloudevents", "auto":
		d.root, d.payload = cloudTrees(schema, timePath, opt.Format == "auto")
	default:
		return nil, fmt.Errorf("unknown event format %q: use json, cloudevents or auto", opt.Format)
	}
	return d, nil
}

// Clone returns an independent decoder with the same schema and options.
func (d *Decoder) Clone() *Decoder {
	c, err := New(d.schema, d.opt)
	if err != nil {
		panic("decode: options that made a decoder fail to make its clone: " + err.Error())
	}
	return c
}

// Decode fills b with the records of c. The caller has called b.Reset and set
// b.Data to c.Data. Rows, the columns of Schema.Fields, Dead and Next are
// filled; the computed columns stay empty. Chunk.Fill is the caller's affair.
//
// A line's record is the line without its end; a byte order mark in front of a
// record does not belong to it, and blank records, tombstones too, leave no
// trace.
func (d *Decoder) Decode(c *source.Chunk, b *event.Batch) {
	d.limit = event.MaxTime
	if d.opt.MaxFuture > 0 && d.opt.Now != nil {
		d.limit = event.AddSat(d.opt.Now(), int64(d.opt.MaxFuture))
	}
	d.begin(b, d.schema)
	if len(c.Spans) > 0 {
		d.given, d.envelopes = c.Attributes, nil
		if d.payload != nil {
			d.envelopes = c.Envelopes
		}
		for i, s := range c.Spans {
			d.span = i
			d.record(c.Data, int(s.Off), int(s.Off)+int(s.Len), c.Offsets[i])
		}
	} else {
		d.envelopes = nil
		d.lines(c)
	}
	d.finish(c.Next)
}

func (d *Decoder) lines(c *source.Chunk) {
	data := c.Data
	for start := 0; start < len(data); {
		end := bytes.IndexByte(data[start:], '\n')
		next := len(data)
		if end < 0 {
			end = len(data)
		} else {
			end += start
			next = end + 1
		}
		offset := c.Offset + int64(start)
		if end > start && data[end-1] == '\r' {
			end--
		}
		d.record(data, start, end, offset)
		start = next
	}
}

// record decodes data[start:end] into a row or a dead letter.
func (d *Decoder) record(data []byte, start, end int, offset int64) {
	if start < end && data[start] != '{' {
		if bytes.HasPrefix(data[start:end], byteOrderMark) {
			start += len(byteOrderMark)
		}
	}
	if len(d.envelopes) > 0 && d.envelopes[d.span].Len > 0 {
		d.binary(data, d.envelopes[d.span], start, end, offset)
		return
	}
	if start == end || data[start] <= ' ' && isBlank(data[start:end]) {
		return
	}
	raw := event.Ref{Off: uint32(start), Len: uint32(end - start)}
	if d.tooLarge(raw, offset) {
		return
	}
	d.openRow()
	d.base = uint32(start)
	d.found = findings{}
	reason, text := d.parse(d.view(data, start, end))
	d.endRow(raw, offset, reason, text)
}

// tooLarge buries a record that is.
func (d *Decoder) tooLarge(raw event.Ref, offset int64) bool {
	if int(raw.Len) <= d.opt.MaxRecordBytes {
		return false
	}
	d.bury(raw, offset, "too_large", fmt.Sprintf(
		"the record is longer than the %d bytes of event.max_record_bytes, raise that if it is right; raw may hold its beginning only", d.opt.MaxRecordBytes))
	return true
}

// endRow keeps the open row, or buries its record for a reason.
func (d *Decoder) endRow(raw event.Ref, offset int64, reason, text string) {
	if reason != "" {
		d.dropRow()
		d.bury(raw, offset, reason, text)
		return
	}
	for i, col := range d.attrs {
		d.copyAttribute(&d.given[i], col)
	}
	d.closeRow(d.found.time, raw, offset)
}

var byteOrderMark = []byte("\xef\xbb\xbf")

func isBlank(b []byte) bool {
	for _, c := range b {
		if !isSpace(c) {
			return false
		}
	}
	return true
}

// padding is how many readable bytes follow a record in its view.
const padding = 16

// view returns the record with padding behind it, whose first byte is a control
// character. No token of JSON contains one, so every scan ends there at the
// latest, and words can be loaded without asking how many bytes are left. Most
// records have a line end and other records behind them; else it is a copy.
func (d *Decoder) view(data []byte, start, end int) []byte {
	if end+padding <= len(data) && data[end] < ' ' {
		return data[start : end+padding : end+padding]
	}
	d.padded = append(append(d.padded[:0], data[start:end]...), make([]byte, padding)...)
	return d.padded
}

// parse reads the record in view b into the open row. It returns why it is a
// dead letter, or an empty reason.
func (d *Decoder) parse(b []byte) (reason, text string) {
	if reason, text = d.parseRoot(b); reason != "" {
		return reason, text
	}
	if d.payload != nil {
		if reason, text = d.parseCloud(b); reason != "" {
			return reason, text
		}
	}
	return d.judge()
}

// judge says whether what a record told makes an event.
func (d *Decoder) judge() (reason, text string) {
	if d.found.overflow {
		if c := d.invalidColumn(); c >= 0 {
			return "number", pathText(d.fields[c].Path) + " is a number beyond the range of a float64"
		}
	}
	if d.opt.TimeAttribute > 0 {
		d.readTimeAttribute(&d.given[d.opt.TimeAttribute-1])
	}
	if d.found.timeStatus != timeRead || d.found.time > d.limit {
		return d.timeProblem()
	}
	return "", ""
}

func (d *Decoder) parseRoot(b []byte) (reason, text string) {
	d.serial++
	i := 0
	if b[0] <= ' ' {
		i = skipSpace(b, 0)
	}
	isObject := b[i] == '{'
	if isObject {
		i = d.object(b, i, d.root, 1)
	} else {
		i = d.skip(b, i, 0)
	}
	if i >= 0 {
		if b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if i == len(b)-padding {
			if !isObject {
				return "not_object", "the record is valid JSON but no object"
			}
			return "", ""
		}
		d.fail(i, "nothing should follow the value")
	}
	return d.failure(b)
}

// pathText is a path as it stands in a config.
func pathText(path []string) string { return strings.Join(path, ".") }
