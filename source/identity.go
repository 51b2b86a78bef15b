package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/cespare/xxhash/v2"
)

// headBytes is how much of a file's beginning belongs to its identity.
const headBytes = 1 << 10

// identity is what a file is known by from one run to the next.
type identity struct {
	// device and inode say which file of this machine it is; both are 0 where
	// nothing is known.
	device, inode uint64
	// hash is of the file's first n raw bytes.
	n    int
	hash uint64
	// path is the name under which it was read.
	path string
}

// The bytes of a token: version, device, inode, n, hash, path.
const (
	tokenVersion = 1
	tokenFixed   = 1 + 8 + 8 + 2 + 8
)

// identify says what the file info describes begins with head.
func identify(info os.FileInfo, path string, head []byte) identity {
	device, inode := fileNumbers(info)
	return identity{device: device, inode: inode, n: len(head), hash: xxhash.Sum64(head), path: path}
}

// token returns the identity as bytes of its own.
func (id *identity) token() []byte {
	b := make([]byte, 0, tokenFixed+len(id.path))
	b = append(b, tokenVersion)
	b = binary.BigEndian.AppendUint64(b, id.device)
	b = binary.BigEndian.AppendUint64(b, id.inode)
	b = binary.BigEndian.AppendUint16(b, uint16(id.n))
	b = binary.BigEndian.AppendUint64(b, id.hash)
	return append(b, id.path...)
}

// parseToken reads what token wrote.
func parseToken(b []byte) (identity, error) {
	if len(b) > 0 && b[0] != tokenVersion {
		return identity{}, fmt.Errorf("its identity has format %d, and this program reads format %d: go on with the version that wrote it", b[0], tokenVersion)
	}
	if len(b) < tokenFixed {
		return identity{}, fmt.Errorf("its identity has %d bytes and needs %d: it is damaged", len(b), tokenFixed)
	}
	id := identity{
		device: binary.BigEndian.Uint64(b[1:]),
		inode:  binary.BigEndian.Uint64(b[9:]),
		n:      int(binary.BigEndian.Uint16(b[17:])),
		hash:   binary.BigEndian.Uint64(b[19:]),
		path:   string(b[tokenFixed:]),
	}
	if id.n > headBytes {
		return identity{}, errors.New("its identity is damaged")
	}
	return id, nil
}

// begins reports whether a file with this head may be the one: it is not
// shorter than what is known, and begins so.
func (id *identity) begins(head []byte) bool {
	return len(head) >= id.n && xxhash.Sum64(head[:id.n]) == id.hash
}
