package metrics

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/llm-optimizer/processor/pipeline"
)

const (
	// maxPartitions is how many partitions have series of their own.
	maxPartitions = 1000
	// maxPartitionName is how many bytes of a partition's name are shown.
	maxPartitionName = 120
)

// partitions sends how many there are, and how far those have got that are not
// over: the first ones by topic and number, or by path. That does not depend on
// how they do, so series do not come and go.
func (e emitter) partitions(st *pipeline.Status) {
	counts := map[string]int64{"waiting": 0, "active": 0, "idle": 0, "ahead": 0, "ended": 0}
	shown := make([]*pipeline.PartitionStatus, 0, len(st.Partitions))
	for i := range st.Partitions {
		p := &st.Partitions[i]
		counts[p.Status]++
		if p.Status != "ended" {
			shown = append(shown, p)
		}
	}
	for status, n := range counts {
		e.count(partitions, n, status)
	}
	slices.SortFunc(shown, inOrder)
	names := map[string]bool{}
	for _, p := range shown[:min(len(shown), maxPartitions)] {
		if name := nameOf(p, names); !names[name] {
			names[name] = true
			e.partition(st, p, name)
		}
	}
}

func (e emitter) partition(st *pipeline.Status, p *pipeline.PartitionStatus, name string) {
	if p.Watermark != nil {
		e.set(partitionLag, st.Now.Sub(*p.Watermark).Seconds(), name)
	}
	if p.LagRecords != nil {
		e.count(consumerLagRecords, *p.LagRecords, name)
	}
	if p.LagSeconds != nil {
		e.set(consumerLagSeconds, *p.LagSeconds, name)
	}
}

func inOrder(a, b *pipeline.PartitionStatus) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Name, b.Name))
}

// nameOf is topic/number, or the name of the file without its folder unless
// another has that name too.
func nameOf(p *pipeline.PartitionStatus, taken map[string]bool) string {
	switch base := shorten(clean(filepath.Base(p.Path))); {
	case p.Topic != "":
		return shorten(clean(p.Topic + "/" + strconv.Itoa(int(p.Partition))))
	case p.Path == "":
		return shorten(clean(p.Name))
	case taken[base]:
		return shorten(clean(p.Path))
	default:
		return base
	}
}

// shorten keeps the end of a name, where numbers and dates stand.
func shorten(name string) string {
	if len(name) <= maxPartitionName {
		return name
	}
	from := len(name) - maxPartitionName
	for from < len(name) && !utf8.RuneStart(name[from]) {
		from++
	}
	return "…" + name[from:]
}
