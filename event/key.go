package event

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A grouping key is the tuple of a query's key fields. Encoded, it is the
// fields one after the other, each a tag and its payload, so that equal bytes
// mean equal keys: 1 and 1.0 are equal, 1, "1" and true are not.
const (
	tagNull    = 'n'
	tagFalse   = 'f'
	tagTrue    = 't'
	tagNumber  = 'd' // 8 bytes: the float64's bits, big endian
	tagInteger = 'i' // a length byte and the decimal digits
	tagString  = 's' // a uvarint length and the bytes
)

// AppendKey appends the encoding of a row's value in column c. The column
// must have Num and Str. Kinds that are no scalar are encoded as null; the
// caller has refused them before.
func (b *Batch) AppendKey(dst []byte, c *Column, row int) []byte {
	switch c.Kind[row] {
	case False:
		return append(dst, tagFalse)
	case True:
		return append(dst, tagTrue)
	case Number:
		return appendNumberKey(dst, c.Num[row])
	case Integer:
		t := b.Bytes(c.Str[row])
		return append(append(dst, tagInteger, byte(len(t))), t...)
	case String:
		t := b.Bytes(c.Str[row])
		return append(binary.AppendUvarint(append(dst, tagString), uint64(len(t))), t...)
	default:
		return append(dst, tagNull)
	}
}

// AppendKeyValue is AppendKey for a value by itself.
func AppendKeyValue(dst []byte, v Value) []byte {
	switch v.Kind {
	case False:
		return append(dst, tagFalse)
	case True:
		return append(dst, tagTrue)
	case Number:
		return appendNumberKey(dst, v.Num)
	case Integer:
		return append(append(dst, tagInteger, byte(len(v.Str))), v.Str...)
	case String:
		return append(binary.AppendUvarint(append(dst, tagString), uint64(len(v.Str))), v.Str...)
	default:
		return append(dst, tagNull)
	}
}

func appendNumberKey(dst []byte, f float64) []byte {
	if f == 0 {
		f = 0 // -0 and 0 are one key
	}
	return binary.BigEndian.AppendUint64(append(dst, tagNumber), math.Float64bits(f))
}

// KeyFields decodes a key into its n fields, appended to dst.
func KeyFields(dst []Value, key []byte, n int) ([]Value, error) {
	for i := 0; i < n; i++ {
		v, rest, err := keyField(key)
		if err != nil {
			return dst, fmt.Errorf("key field %d of %d: %w", i+1, n, err)
		}
		dst, key = append(dst, v), rest
	}
	if len(key) > 0 {
		return dst, fmt.Errorf("key has %d bytes too many", len(key))
	}
	return dst, nil
}

func keyField(key []byte) (Value, []byte, error) {
	if len(key) == 0 {
		return Value{}, nil, fmt.Errorf("missing")
	}
	tag, rest := key[0], key[1:]
	switch tag {
	case tagNull:
		return Value{}, rest, nil
	case tagFalse:
		return Value{Kind: False}, rest, nil
	case tagTrue:
		return Value{Kind: True}, rest, nil
	case tagNumber:
		if len(rest) < 8 {
			return Value{}, nil, fmt.Errorf("number cut short")
		}
		return Value{Kind: Number, Num: math.Float64frombits(binary.BigEndian.Uint64(rest))}, rest[8:], nil
	case tagInteger:
		if len(rest) < 1 || len(rest) < 1+int(rest[0]) {
			return Value{}, nil, fmt.Errorf("integer cut short")
		}
		end := 1 + int(rest[0])
		return Value{Kind: Integer, Str: string(rest[1:end])}, rest[end:], nil
	case tagString:
		n, k := binary.Uvarint(rest)
		if k <= 0 || uint64(len(rest)-k) < n {
			return Value{}, nil, fmt.Errorf("string cut short")
		}
		end := k + int(n)
		return Value{Kind: String, Str: string(rest[k:end])}, rest[end:], nil
	default:
		return Value{}, nil, fmt.Errorf("unknown tag %q", tag)
	}
}

// AppendKeyJSON appends a key as a JSON object. names holds, for each field,
// what stands before its value: `{"model":`, `,"tenant":`. A key that was
// encoded by this package is valid; others end early.
func AppendKeyJSON(dst, key []byte, names []string) []byte {
	if len(names) == 0 {
		return append(dst, "{}"...)
	}
	for _, name := range names {
		dst = append(dst, name...)
		if len(key) == 0 {
			break
		}
		tag := key[0]
		key = key[1:]
		switch tag {
		case tagFalse:
			dst = append(dst, "false"...)
		case tagTrue:
			dst = append(dst, "true"...)
		case tagNumber:
			dst = AppendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(key)))
			key = key[8:]
		case tagInteger:
			n := int(key[0])
			dst = append(dst, key[1:1+n]...)
			key = key[1+n:]
		case tagString:
			n, k := binary.Uvarint(key)
			dst = AppendString(dst, key[k:k+int(n)])
			key = key[k+int(n):]
		default:
			dst = append(dst, "null"...)
		}
	}
	return append(dst, '}')
}
