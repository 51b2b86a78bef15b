package decode

import (
	"strconv"

	"github.com/llm-optimizer/processor/event"
)

// copyAttribute takes what the source hands over beside the record into a
// column of the open row.
func (d *Decoder) copyAttribute(from *event.Column, col int) {
	to := &d.cols[col]
	to.Kind[d.row] = from.Kind[d.span]
	if d.row < len(to.Num) && d.span < len(from.Num) {
		to.Num[d.row] = from.Num[d.span]
	}
	if d.row < len(to.Str) && d.span < len(from.Str) {
		to.Str[d.row] = from.Str[d.span]
	}
}

// readTimeAttribute reads the event time from what the source hands over: a
// number or a text, which is left in scratch for a message.
func (d *Decoder) readTimeAttribute(from *event.Column) {
	d.scratch, d.found.ownTime = d.scratch[:0], false
	switch from.Kind[d.span] {
	case event.Null:
		d.found.timeStatus = timeMissing
	case event.Number:
		d.scratch = strconv.AppendFloat(d.scratch, from.Num[d.span], 'f', -1, 64)
		if d.found.timeStatus = timeMalformed; d.unit >= 0 {
			d.found.time, d.found.timeStatus = readUnix(d.scratch, d.unit)
		}
	default:
		d.scratch = append(d.scratch, d.batch.Bytes(from.Str[d.span])...)
		if d.unit < 0 {
			d.found.time, d.found.timeStatus = d.date.readAny(d.scratch)
		} else {
			d.found.time, d.found.timeStatus = d.readUnixLiteral()
		}
	}
}
