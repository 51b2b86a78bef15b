package gen

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"

	"github.com/llm-optimizer/processor/event"
)

// appendUUID appends a random (version 4) UUID.
func appendUUID(dst []byte, r *rand.Rand) []byte {
	var u [16]byte
	binary.BigEndian.PutUint64(u[:8], r.Uint64())
	binary.BigEndian.PutUint64(u[8:], r.Uint64())
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, u[[...]int{0, 4, 6, 8, 10}[i]:end])
	}
	return dst
}

// appendMillis appends a time with exactly three fraction digits, so that
// lines of the same event are equally long at any time.
func appendMillis(dst []byte, t int64) []byte {
	ms := t / 1e6
	if t%1e6 < 0 {
		ms--
	}
	frac := ms % 1000
	if frac < 0 {
		frac += 1000
	}
	dst = event.AppendTime(dst, (ms-frac)*1e6)
	dst[len(dst)-1] = '.' // in place of the Z
	return append(appendPadded(dst, uint64(frac), 3), 'Z')
}

// pow10 are the powers of ten that appendFixed needs.
var pow10 = [...]float64{1, 10, 100, 1e3, 1e4, 1e5, 1e6}

// appendFixed appends a number, not negative, with up to six decimals. It is
// rounded in binary, which the shortest decimal form would not be; synthetic
// data has no use for the difference.
func appendFixed(dst []byte, f float64, decimals int) []byte {
	scale := pow10[decimals]
	n := uint64(f*scale + 0.5)
	unit := uint64(scale)
	dst = strconv.AppendUint(dst, n/unit, 10)
	return appendPadded(append(dst, '.'), n%unit, decimals)
}

// appendPadded appends n with leading zeros.
func appendPadded(dst []byte, n uint64, digits int) []byte {
	at := len(dst)
	for range digits {
		dst = append(dst, '0')
	}
	for i := at + digits - 1; i >= at; i-- {
		dst[i] += byte(n % 10)
		n /= 10
	}
	return dst
}
