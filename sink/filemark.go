package sink

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/llm-optimizer/processor/internal/failpoint"
)

// The token of a file is a version and its length.
const (
	fileTokenVersion = 1
	fileTokenSize    = 1 + 8
)

// fileToken returns the token of a length.
func fileToken(length int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{fileTokenVersion}, uint64(length))
}

// parseFileToken returns the length that a token records, -1 if it records
// none.
func parseFileToken(token []byte) (int64, error) {
	switch {
	case len(token) == 0:
		return -1, nil
	case token[0] != fileTokenVersion:
		return 0, fmt.Errorf("its mark has format %d, and this program reads format %d: go on with the version that wrote it", token[0], fileTokenVersion)
	case len(token) != fileTokenSize || token[1] >= 0x80:
		return 0, fmt.Errorf("its mark of %d bytes is damaged", len(token))
	}
	return int64(binary.BigEndian.Uint64(token[1:])), nil
}

// isStandard reports whether the path is a name for a stream of this process:
// whoever started it decides what is at its end.
func isStandard(path string) bool {
	path = filepath.Clean(path)
	return path == "/dev/stdout" || path == "/dev/stderr" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/")
}

// Resume checks the file against what the state recorded. Start cuts it to the
// recorded length. One that is shorter, or has no line end there, is not the
// file that the sink wrote: an error, or with redeliver gone on with at its
// end. A new sink refuses a file that is not empty, unless OnExisting says what
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
	length, err := parseFileToken(m.Token)
	if err != nil {
		return 0, fmt.Errorf("resume file sink %s: %w", s.Path, err)
	}
	if s.resumed = true; length < 0 {
		return m.Epoch, nil // it could not be marked when it was written
	}
	whole := size >= length
	if whole {
		if whole, err = s.endsLine(length); err != nil {
			return 0, err
		}
	}
	switch {
	case whole:
		s.cut = length
	case !redeliver:
		return 0, fmt.Errorf("file sink %s holds %d bytes and is not the file that was written up to byte %d: it was cut, replaced or lost; put the file back, or start once with --redeliver to go on at its end, which may repeat rows or lack some", s.Path, size, length)
	}
	return m.Epoch, nil
}

// Commit makes the file durable and returns its length.
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
	return fileToken(info.Size()), nil
}
