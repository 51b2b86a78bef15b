package event

import "math"

// NextKeyField takes the first field off an encoded key. The texts of the
// field are parts of the key, so nothing is allocated. It is not ok at the end
// of the key and where the key is none.
func NextKeyField(key string) (v Value, rest string, ok bool) {
	if key == "" {
		return Value{}, "", false
	}
	tag, key := key[0], key[1:]
	switch tag {
	case tagNull:
		return Value{}, key, true
	case tagFalse:
		return Value{Kind: False}, key, true
	case tagTrue:
		return Value{Kind: True}, key, true
	case tagNumber:
		return nextNumber(key)
	case tagInteger:
		if key == "" {
			return Value{}, "", false
		}
		return nextText(Integer, key[1:], uint64(key[0]))
	case tagString:
		n, rest, ok := nextLength(key)
		if !ok {
			return Value{}, "", false
		}
		return nextText(String, rest, n)
	default:
		return Value{}, "", false
	}
}

func nextNumber(key string) (Value, string, bool) {
	if len(key) < 8 {
		return Value{}, "", false
	}
	var bits uint64
	for i := range 8 {
		bits = bits<<8 | uint64(key[i])
	}
	return Value{Kind: Number, Num: math.Float64frombits(bits)}, key[8:], true
}

func nextText(kind Kind, key string, n uint64) (Value, string, bool) {
	if n > uint64(len(key)) {
		return Value{}, "", false
	}
	return Value{Kind: kind, Str: key[:n]}, key[n:], true
}

// nextLength is binary.Uvarint for strings.
func nextLength(key string) (n uint64, rest string, ok bool) {
	for i := 0; i < len(key) && i < 9; i++ {
		c := key[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return n, key[i+1:], true
		}
	}
	return 0, "", false
}
