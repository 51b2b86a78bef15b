package metrics

import (
	"runtime/debug"
	"testing"
	"testing/fstest"
)

func TestMemoryBound(t *testing.T) {
	const machine = "MemFree: 1 kB\nMemTotal:       2048 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing known": {map[string]string{}, 0},
		"the machine":   {map[string]string{"proc/meminfo": machine}, 2 << 20},
		"a container, version 2": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000000\n",
		}, 1000000},
		"no limit, version 2": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n",
		}, 2 << 20},
		"a group above ours": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/a.slice/b.scope\n",
			"sys/fs/cgroup/a.slice/b.scope/memory.max": "1900000\n", "sys/fs/cgroup/a.slice/memory.max": "1800000\n",
		}, 1800000},
		"version 1": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "12:cpu,cpuacct:/c\n9:memory:/docker/x\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "500000\n",
			"sys/fs/cgroup/memory.max": "1\n",
		}, 500000},
		"no limit, version 1": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "9:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 2 << 20},
		"nonsense": {map[string]string{"proc/meminfo": "MemTotal: many kB\n", "proc/self/cgroup": "what\n"}, 0},
	} {
		files := fstest.MapFS{}
		for path, text := range c.files {
			files[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := memoryBound(files); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(123456))
	if got := memoryBound(fstest.MapFS{}); got != 123456 {
		t.Errorf("with GOMEMLIMIT it is %d", got)
	}
}

func TestMemoryInUse(t *testing.T) {
	files := fstest.MapFS{"proc/self/statm": {Data: []byte("9 3 1 0 0 0 0\n")}}
	if got := memoryInUse(files); got <= 0 || got%3 != 0 {
		t.Errorf("it is %d", got)
	}
	if memoryInUse(fstest.MapFS{}) <= 0 || memoryInUse(root) <= 0 {
		t.Error("it is nothing")
	}
}
