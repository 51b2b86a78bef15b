package pebble

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// never is a threshold that is not reached. Where Pebble lets a write wait for
// its background work it waits for ever if that work has failed; backend.room
// waits instead of it.
const never = 1 << 20

func (s *Store) options(fs vfs.FS, f *failure) *pdb.Options {
	o := &pdb.Options{
		FS:                          fs,
		FormatMajorVersion:          Format,
		ErrorIfNotExists:            true,
		CacheSize:                   orDefault(s.CacheBytes, DefaultCacheBytes),
		MemTableSize:                uint64(orDefault(s.MemtableBytes, DefaultMemtableBytes)),
		MemTableStopWritesThreshold: never,
		L0StopWritesThreshold:       never,
		WALBytesPerSync:             1 << 20,
		Cleaner:                     cleaner{},
		Logger:                      logger{s.log(), f},
	}
	// What is flushed is soon written again, once or twice: only what stays is
	// worth the time to compress it.
	o.Levels[0].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	o.Levels[len(o.Levels)-1].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	return o
}

func orDefault(n, otherwise int64) int64 {
	if n <= 0 {
		return otherwise
	}
	return n
}

// cleaner removes files that are not used any more, as Pebble's own does. The
// other one that it embeds, a level below so that its methods do not count,
// makes it one that wants files as they are: then Pebble does not write over
// old logs. One as large as the largest Apply would stay for ever, and the end
// of a log that was written over is harder to tell from damage.
type cleaner struct {
	pdb.DeleteCleaner
	keepsLogs
}

type keepsLogs struct{ pdb.ArchiveCleaner }

func (s *Store) log() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger.With("state", s.Path)
}

// logger passes on what Pebble says.
type logger struct {
	log *slog.Logger
	*failure
}

// Infof is for what happens all the time.
func (l logger) Infof(format string, args ...any) { l.write(slog.LevelDebug, format, args) }

// Errorf is for what Pebble can live with: what it cannot is an event too.
func (l logger) Errorf(format string, args ...any) { l.write(slog.LevelWarn, format, args) }

// Fatalf is called where Pebble expects the process to end. The process has
// its own way to do so; until then the gate lets nothing more be written, so
// that what Pebble does after its return has no effect.
func (l logger) Fatalf(format string, args ...any) {
	f := fatal{text: "pebble: " + fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			f.cause = err
		}
	}
	l.fail(f)
}

// fatal is what Fatalf was called with.
type fatal struct {
	text  string
	cause error
}

func (f fatal) Error() string { return f.text }
func (f fatal) Unwrap() error { return f.cause }

func (l logger) write(level slog.Level, format string, args []any) {
	if ctx := context.Background(); l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, "pebble: "+fmt.Sprintf(format, args...))
	}
}

// listener makes failures of what Pebble finds in the background, and
// warnings.
func (s *Store) listener(d *database) *pdb.EventListener {
	log := s.log()
	slow, low := &seldom{log: log}, &seldom{log: log}
	l := &pdb.EventListener{
		BackgroundError: d.fail,
		DataCorruption: func(i pdb.DataCorruptionInfo) {
			d.fail(damaged(fmt.Errorf("%s: %w", i.Path, i.Details)))
		},
		DiskSlow: func(i pdb.DiskSlowInfo) {
			slow.warn("the disk is slow", "path", i.Path, "operation", i.OpType.String(), "took", i.Duration)
		},
		LowDiskSpace: func(i pdb.LowDiskSpaceInfo) {
			low.warn("the disk is nearly full", "available_bytes", i.AvailBytes, "total_bytes", i.TotalBytes)
		},
	}
	l.EnsureDefaults(nil)
	return l
}

// relieve sends on a channel when background work has come to an end.
func relieve(l *pdb.EventListener, relief chan<- struct{}) {
	send := func() {
		select {
		case relief <- struct{}{}:
		default:
		}
	}
	l.FlushEnd = func(pdb.FlushInfo) { send() }
	l.CompactionEnd = func(pdb.CompactionInfo) { send() }
}

// seldom is a warning that is not repeated for a while.
type seldom struct {
	log  *slog.Logger
	mu   sync.Mutex
	last time.Time
}

// warnEvery is the least time between two warnings of a kind.
const warnEvery = 30 * time.Second

func (s *seldom) warn(msg string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.last.IsZero() || now.Sub(s.last) >= warnEvery {
		s.last = now
		s.log.Warn(msg, args...)
	}
}
