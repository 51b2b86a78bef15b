package sink

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strings"

	"github.com/llm-optimizer/processor/internal/failpoint"
)

// The token of a file is a version, its length, and a checksum of the last bytes
// before that: rows have ids, so the file of another sink does not end alike. A
// file that had no bytes yet is known by its name, which it keeps when it is moved
// to another folder with the state. The first version had no checksum.
const (
	fileTokenVersion = 2
	fileTokenSize    = 1 + 8 + 4
	fileTokenSizeV1  = 1 + 8
	// fileTail is how many bytes the checksum is of, or all if there are fewer.
	fileTail = 1 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileMark is what a token records of a file.
type fileMark struct {
	// length is -1 if nothing is recorded.
	length int64
	// sum is of the tail before length, or of the name; summed says that it is
	// known.
	sum    uint32
	summed bool
}

// token returns a mark with a sum as bytes.
func (m fileMark) token() []byte {
	b := binary.BigEndian.AppendUint64([]byte{fileTokenVersion}, uint64(m.length))
	return binary.BigEndian.AppendUint32(b, m.sum)
}

// parseFileToken reads what token wrote, in this version or the first.
func parseFileToken(token []byte) (fileMark, error) {
	size := fileTokenSize
	switch {
	case len(token) == 0:
		return fileMark{length: -1}, nil
	case token[0] == 1:
		size = fileTokenSizeV1
	case token[0] != fileTokenVersion:
		return fileMark{}, fmt.Errorf("its mark has format %d, and this program reads formats up to %d: go on with the version that wrote it", token[0], fileTokenVersion)
	}
	if len(token) != size || token[1] >= 0x80 {
		return fileMark{}, fmt.Errorf("its mark of %d bytes is damaged", len(token))
	}
	m := fileMark{length: int64(binary.BigEndian.Uint64(token[1:]))}
	if size == fileTokenSize {
		m.sum, m.summed = binary.BigEndian.Uint32(token[fileTokenSizeV1:]), true
	}
	return m, nil
}

// tailSum returns the checksum of the last bytes before a length that the file
// has, or of the file's name where there are none.
func (s *File) tailSum(length int64) (uint32, error) {
	if length == 0 {
		return crc32.Checksum([]byte(filepath.Base(s.Path)), castagnoli), nil
	}
	tail := make([]byte, min(length, fileTail))
	if n, err := s.file.ReadAt(tail, length-int64(len(tail))); err != nil && n < len(tail) {
		return 0, fmt.Errorf("read the end of file sink %s: %w", s.Path, err)
	}
	return crc32.Checksum(tail, castagnoli), nil
}

// wrote reports whether the file, of a size, may be the one that a mark is of.
func (s *File) wrote(m fileMark, size int64) (bool, error) {
	switch {
	case size < m.length:
		return false, nil
	case size == 0:
		return true, nil
	case !m.summed:
		return s.endsLine(m.length)
	}
	sum, err := s.tailSum(m.length)
	return sum == m.sum, err
}

// isStandard reports whether the path is a name for a stream of this process:
// whoever started it decides what is at its end.
func isStandard(path string) bool {
	path = filepath.Clean(path)
	return path == "/dev/stdout" || path == "/dev/stderr" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/")
}

// Resume checks the file against what the state recorded. Start cuts it to the
// recorded length. One that is shorter, or holds something else before it, is
// not the file that the sink wrote: an error, or with redeliver gone on with at
// its end. A new sink refuses a file that is not empty, unless OnExisting says what
// to do with it. The file itself knows no epochs, so the state's is returned.
func (s *File) Resume(_ context.Context, m Mark, _ uint64, redeliver bool) (uint64, error) {
	if err := s.usable(); err != nil {
		return 0, err
	}
	if !s.marks {
		return m.Epoch, nil
	}
	info, err := s.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("resume file sink: %w", err)
	}
	size := info.Size()
	if m.Token == nil {
		if size > 0 && s.OnExisting != Append && s.OnExisting != Truncate {
			return 0, s.refusal(size, "the state knows nothing of it; set on_existing: append to go on at its end, on_existing: truncate to empty it, or move it away")
		}
		return m.Epoch, nil
	}
	known, err := parseFileToken(m.Token)
	if err != nil {
		return 0, fmt.Errorf("resume file sink %s: %w", s.Path, err)
	}
	if s.resumed = true; known.length < 0 {
		return m.Epoch, nil // it could not be marked when it was written
	}
	same, err := s.wrote(known, size)
	switch {
	case err != nil:
		return 0, err
	case same:
		s.cut = known.length
	case !redeliver:
		return 0, fmt.Errorf("file sink %s holds %d bytes and is not the file that was written up to byte %d: it was cut, replaced or lost, or another sink had this one's name (give it one of its own); put the file back, or start once with --redeliver to go on at its end, which may repeat rows or lack some", s.Path, size, known.length)
	}
	return m.Epoch, nil
}

// Commit makes the file durable and returns its length and how it ends.
func (s *File) Commit(ctx context.Context, _ Mark) ([]byte, error) {
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	if !s.marks {
		return []byte{}, nil
	}
	info, err := s.file.Stat()
	if err != nil {
		return nil, s.fail(fmt.Errorf("commit file sink: %w", err))
	}
	failpoint.At("file/before-sync")
	sync := s.file.Sync
	if failpoint.Planted(failpoint.SkipSync) {
		sync = func() error { return nil }
	}
	if err := sync(); err != nil {
		return nil, s.fail(fmt.Errorf("sync file sink %s: %w", s.Path, err))
	}
	failpoint.At("file/after-sync")
	if !s.linked {
		if err := s.fs.SyncDir(filepath.Dir(s.Path)); err != nil {
			return nil, s.fail(fmt.Errorf("sync the folder of file sink %s: %w", s.Path, err))
		}
		s.linked = true
	}
	sum, err := s.tailSum(info.Size())
	if err != nil {
		return nil, s.fail(err)
	}
	return fileMark{length: info.Size(), sum: sum}.token(), nil
}
