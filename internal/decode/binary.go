package decode

import "github.com/llm-optimizer/processor/event"

// binary decodes the CloudEvent whose envelope lies beside its payload
// data[start:end]. Fields follow the rule at parseCloud. An event without a
// payload is shown by its envelope where others are by their bytes.
func (d *Decoder) binary(data []byte, envelope event.Ref, start, end int, offset int64) {
	raw := event.Ref{Off: uint32(start), Len: uint32(end - start)}
	if isBlank(data[start:end]) {
		start, raw = end, envelope
	}
	if d.tooLarge(raw, offset) {
		return
	}
	d.openRow()
	d.found = findings{}
	reason, text := d.parseEnvelope(data, envelope)
	if reason == "" && start < end {
		d.base = uint32(start)
		reason, text = d.parsePayload(d.view(data, start, end), end-start)
	}
	if at := d.found.eventTime; reason == "" && d.found.timeStatus == timeMissing && at.end > 0 {
		d.base = envelope.Off
		d.readEventTime(data[envelope.Off:envelope.Off+envelope.Len], at)
	}
	if reason == "" {
		reason, text = d.judge()
	}
	d.endRow(raw, offset, reason, text)
}

func (d *Decoder) parseEnvelope(data []byte, envelope event.Ref) (reason, text string) {
	d.base = envelope.Off
	if reason, text = d.parseRoot(d.view(data, int(envelope.Off), int(envelope.Off+envelope.Len))); reason != "" {
		return reason, "in the envelope: " + text
	}
	return "", ""
}

// parsePayload reads the JSON value that is the first size bytes of view b,
// once the envelope is known.
func (d *Decoder) parsePayload(b []byte, size int) (reason, text string) {
	i := d.value(b, skipSpace(b, 0), d.payload, 0)
	if i >= 0 {
		if i = skipSpace(b, i); i == size {
			return "", ""
		}
		d.fail(i, "nothing should follow the value")
	}
	return d.failure(b)
}
