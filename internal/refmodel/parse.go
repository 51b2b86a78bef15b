package refmodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/llm-optimizer/processor/event"
)

// ParseValue reads one JSON value.
func ParseValue(raw []byte) (event.Value, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return event.Value{}, fmt.Errorf("parse value %s: %w", raw, err)
	}
	return toValue(v, raw)
}

// ParseFields reads a JSON object; members of nested objects are also there by
// their dotted path.
func ParseFields(raw []byte) (map[string]event.Value, error) {
	fields := map[string]event.Value{}
	if err := parseInto(fields, "", raw); err != nil {
		return nil, err
	}
	return fields, nil
}

func parseInto(fields map[string]event.Value, prefix string, raw []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return fmt.Errorf("parse event %s: %w", raw, err)
	}
	for name, text := range members {
		v, err := ParseValue(text)
		if err != nil {
			return err
		}
		fields[prefix+name] = v
		if v.Kind == event.Composite && text[0] == '{' {
			if err := parseInto(fields, prefix+name+".", text); err != nil {
				return err
			}
		}
	}
	return nil
}

func toValue(v any, raw []byte) (event.Value, error) {
	switch v := v.(type) {
	case nil:
		return event.Value{}, nil
	case bool:
		return event.Bool(v), nil
	case string:
		return event.Text(v), nil
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return event.Int(i), nil
		}
		if _, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return unsigned(v.String())
		}
		f, err := v.Float64()
		if err != nil {
			return event.Value{}, fmt.Errorf("parse number %s: %w", v, err)
		}
		return event.Float(f), nil
	default:
		return event.JSONValue(string(raw)), nil
	}
}

// unsigned is an integer beyond int64: exact as text where no float64 is.
func unsigned(digits string) (event.Value, error) {
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return event.Value{}, fmt.Errorf("parse number %s: %w", digits, err)
	}
	if strconv.FormatFloat(f, 'f', 0, 64) == digits {
		return event.Float(f), nil
	}
	return event.Value{Kind: event.Integer, Num: f, Str: digits}, nil
}
