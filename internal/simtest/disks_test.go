package simtest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	ourfs "github.com/llm-optimizer/processor/internal/fs"
	"github.com/llm-optimizer/processor/internal/fs/fstest"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/state/pebble"
)

// disks are those of a machine: one for the state, one for the outputs.
type disks struct {
	state *vfs.MemFS
	files *fstest.FS
}

func newDisks() disks { return disks{vfs.NewCrashableMem(), fstest.New()} }

// crash returns what is there after a loss of power: of what was not synced a
// part. The state comes first, as it must never be ahead of the outputs.
func (d disks) crash(rng *rand.Rand, percent int) disks {
	state := d.state.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
	return disks{state, d.files.CrashClone(rng, percent)}
}

// copied is a copy of everything, synced.
func (d disks) copied() disks { return d.crash(rand.New(rand.NewPCG(0, 0)), 100) }

// operation is what is done to a disk.
type operation struct {
	// kind is create, open, write, sync, read or other.
	kind string
	path string
}

func (o operation) String() string { return o.kind + " " + o.path }

// hook is asked before each operation; its error becomes the operation's.
type hook func(operation) error

var kinds = map[errorfs.OpKind]string{
	errorfs.OpCreate: "create", errorfs.OpReuseForWrite: "create", errorfs.OpMkdirAll: "create",
	errorfs.OpLink: "create", errorfs.OpRename: "create", errorfs.OpLock: "create",
	errorfs.OpFileWrite: "write", errorfs.OpFileWriteAt: "write", errorfs.OpFilePreallocate: "write",
	errorfs.OpFileSync: "sync", errorfs.OpFileSyncData: "sync", errorfs.OpFileSyncTo: "sync",
	errorfs.OpOpen: "open", errorfs.OpOpenDir: "open", errorfs.OpList: "read", errorfs.OpStat: "read",
	errorfs.OpFileRead: "read", errorfs.OpFileReadAt: "read", errorfs.OpFileStat: "read",
	errorfs.OpRemove: "other", errorfs.OpRemoveAll: "other", errorfs.OpFileClose: "other",
	errorfs.OpFileFlush: "other", errorfs.OpGetDiskUsage: "other",
}

// store is the state's store on the disks.
func (d disks) store(h hook) *pebble.Store {
	s := &pebble.Store{Path: "state", FS: d.state, MemtableBytes: 64 << 10, Idle: -1}
	if h != nil {
		s.FS = errorfs.Wrap(d.state, errorfs.InjectorFunc(func(op errorfs.Op) error {
			return h(operation{kinds[op.Kind], op.Path})
		}))
	}
	return s
}

// output returns a sink that writes a file on the disks.
func (d disks) output(name string, h hook, l *lines) *output {
	o := &output{File: &sink.File{Path: "out/" + name}, lines: l}
	o.SetFS(hookedFS{d.files, h})
	return o
}

// hookedFS asks a hook before each operation.
type hookedFS struct {
	ourfs.FS
	ask hook
}

func (f hookedFS) do(kind, name string) error {
	if f.ask == nil {
		return nil
	}
	return f.ask(operation{kind, name})
}

func (f hookedFS) OpenAppend(name string) (ourfs.File, error) {
	if err := f.do("create", name); err != nil {
		return nil, err
	}
	file, err := f.FS.OpenAppend(name)
	return &hookedFile{file, f, name}, err
}

func (f hookedFS) MkdirAll(dir string) error {
	return errors.Join(f.do("create", dir), f.FS.MkdirAll(dir))
}

func (f hookedFS) SyncDir(dir string) error {
	if err := f.do("sync", dir); err != nil {
		return err
	}
	return f.FS.SyncDir(dir)
}

type hookedFile struct {
	ourfs.File
	fs   hookedFS
	name string
}

// Write that fails has written the first half.
func (f *hookedFile) Write(p []byte) (int, error) {
	if err := f.fs.do("write", f.name); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *hookedFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.do("read", f.name); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *hookedFile) Truncate(size int64) error {
	if err := f.fs.do("write", f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *hookedFile) Sync() error {
	if err := f.fs.do("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

// lines knows the row behind each line that was ever written to a file, so that
// what a file holds in the end can be compared as rows.
type lines struct {
	mu      sync.Mutex
	results map[string]result.Result
	late    map[string]result.LateEvent
	dead    map[string]result.DeadLetter
}

func newLines() *lines {
	return &lines{
		results: map[string]result.Result{}, late: map[string]result.LateEvent{}, dead: map[string]result.DeadLetter{},
	}
}

// note keeps the rows of a batch.
func (l *lines) note(b *result.Batch) {
	var c Collector
	_ = c.Write(context.Background(), b) // copies; it never fails
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range c.Results {
		l.results[string(r.AppendJSON(nil, false))] = r
	}
	for _, r := range c.Late {
		l.late[string(r.AppendJSON(nil))] = r
	}
	for _, r := range c.Dead {
		l.dead[string(r.AppendJSON(nil))] = r
	}
}

// output is a file sink whose rows are noted, and that may be slow.
type output struct {
	*sink.File
	lines *lines
	slow  time.Duration
}

// Write notes the rows and writes them.
func (o *output) Write(ctx context.Context, b *result.Batch) error {
	o.lines.note(b)
	time.Sleep(o.slow)
	return o.File.Write(ctx, b)
}

// run reads back what the three files hold.
func (l *lines) run(d disks) (run *Run, wrong differences) {
	run = &Run{}
	for _, line := range d.lines("rows", &wrong) {
		read(line, l.results, &run.Rows, &wrong)
	}
	for _, line := range d.lines("late", &wrong) {
		read(line, l.late, &run.Late, &wrong)
	}
	for _, line := range d.lines("dead", &wrong) {
		read(line, l.dead, &run.Dead, &wrong)
	}
	return run, wrong
}

func read[R any](line string, known map[string]R, all *[]R, wrong *differences) {
	r, ok := known[line]
	if !ok {
		wrong.add("not a line that was written: %q", line)
		return
	}
	*all = append(*all, r)
}

// lines are those of a file, none if there is none.
func (d disks) lines(name string, wrong *differences) []string {
	data, err := d.files.ReadFile("out/" + name)
	if errors.Is(err, fs.ErrNotExist) || len(data) == 0 {
		return nil
	}
	if !bytes.HasSuffix(data, []byte("\n")) {
		wrong.add("%s does not end with a line end", name)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// power goes off before an operation, and then everything fails.
type power struct {
	mu sync.Mutex
	// left are the operations that change something until it goes off; 0 is
	// never.
	left int
	used int
	gone func()
	off  bool
	at   operation
}

func (p *power) ask(o operation) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.kind != "read" && o.kind != "open" && !p.off {
		p.used++
		if p.used == p.left {
			p.off, p.at = true, o
			p.gone()
		}
	}
	if p.off {
		return &fs.PathError{Op: o.kind, Path: o.path, Err: fstest.ErrPowerOff}
	}
	return nil
}
