package decode

import "encoding/base64"

// parseCloud reads what a CloudEvent in structured mode has beside its
// envelope. The rule of its fields (CloudEvents 1.0, JSON format):
//
//   - an attribute of the envelope is a field by its own name (type, source, …);
//   - the payload is the field data, its members data.x and so on;
//   - a member x of the payload is also the field x, and x.y the field x.y,
//     where the envelope has no attribute x, or a null one, which is the same;
//   - a payload in data_base64 is read as the JSON that it encodes; data, when
//     both are there, has precedence.
//
// The path of the event time follows the same rule.
func (d *Decoder) parseCloud(b []byte) (reason, text string) {
	if d.opt.Format == "auto" && !d.found.cloud {
		return "", ""
	}
	switch f := &d.found; {
	case f.data.end > 0:
		// The envelope's pass has validated it.
		d.value(b, f.data.start, d.payload, 1)
	case f.data64.end > 0:
		if reason, text = d.parseBase64(b[f.data64.start:f.data64.end]); reason != "" {
			return reason, "in data_base64: " + text
		}
	}
	if at := d.found.eventTime; d.found.timeStatus == timeMissing && at.end > 0 {
		d.readEventTime(b, at)
	}
	return "", ""
}

// parseBase64 reads the payload that a JSON string encodes. Its bytes lie in
// Extra then, as a record's lie in Data. An empty one is no payload.
func (d *Decoder) parseBase64(value []byte) (reason, text string) {
	if value[0] != '"' {
		return "json", "a string should be there"
	}
	d.scratch = unescape(d.scratch[:0], value[1:len(value)-1])
	off := len(d.batch.Extra)
	extra, err := base64.StdEncoding.AppendDecode(d.batch.Extra, d.scratch)
	if err != nil {
		return "json", err.Error()
	}
	size := len(extra) - off
	if size == 0 {
		return "", ""
	}
	d.batch.Extra = append(extra, make([]byte, padding)...)
	view, base := d.batch.Extra[off:], d.base
	d.base = d.batch.ExtraFrom(off).Off
	reason, text = d.parsePayload(view, size)
	d.base = base
	return reason, text
}

// readEventTime reads the time attribute of the envelope, RFC 3339 by
// definition.
func (d *Decoder) readEventTime(b []byte, at span) {
	d.found.ownTime, d.found.timeAt = true, d.ref(at.start, at.end)
	if b[at.start] != '"' {
		d.found.timeStatus = timeMalformed
		return
	}
	d.found.time, d.found.timeStatus = d.readDate(b[at.start+1 : at.end-1])
}
