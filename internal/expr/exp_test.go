package expr
import ("testing";"encoding/binary";"github.com/llm-optimizer/processor/event")

func v2(b *event.Batch, c *event.Column, text string, rows, dst []int32) []int32 {
	dst, k := room(dst, rows)
	kind, str := c.Kind, c.Str
	n := uint32(len(text))
	first, last := binary.LittleEndian.Uint64([]byte(text)), binary.LittleEndian.Uint64([]byte(text[n-8:]))
	mid := []byte(text)
	for _, r := range rows {
		dst[k] = r
		ref := str[r]
		hit := bit(kind[r] == event.String) & bit(ref.Len == n)
		s := b.Bytes(event.Ref{Off: ref.Off & -uint32(hit), Len: n})
		x := binary.LittleEndian.Uint64(s) ^ first | binary.LittleEndian.Uint64(s[len(s)-8:]) ^ last
		for i := 8; i < len(s)-8; i += 8 {
			x |= binary.LittleEndian.Uint64(s[i:]) ^ binary.LittleEndian.Uint64(mid[i:])
		}
		k += hit & bit(x == 0)
	}
	return dst[:k]
}
func v3(b *event.Batch, c *event.Column, text string, rows, dst []int32) []int32 {
	dst, k := room(dst, rows)
	kind, str := c.Kind, c.Str
	n := uint32(len(text))
	for _, r := range rows {
		dst[k] = r
		ref := str[r]
		hit := bit(kind[r] == event.String) & bit(ref.Len == n)
		s := b.Bytes(event.Ref{Off: ref.Off & -uint32(hit), Len: n})
		k += hit & bit(string(s)==text)
	}
	return dst[:k]
}
func v1(b *event.Batch, c *event.Column, text string, rows, dst []int32) []int32 {
	dst, k := room(dst, rows)
	kind, str := c.Kind, c.Str
	n := uint32(len(text))
	for _, r := range rows {
		dst[k] = r
		ref := str[r]
		if kind[r] == event.String && ref.Len == n {
		k += bit(string(b.Bytes(ref))==text)
	}
	}
	return dst[:k]
}
func BenchmarkEq(bb *testing.B) {
	batch := benchBatch()
	sel := AllRows(batch.N, nil)
	var dst []int32
	for name, f := range map[string]func(*event.Batch,*event.Column,string,[]int32,[]int32)[]int32{"v1":v1,"v2":v2,"v3":v3} {
	for _, text := range []string{"performance_metrics","user_feedback","nothing_to_see_here"} {
	bb.Run(name+"/"+text, func(b *testing.B){
		for b.Loop() { dst = f(batch, &batch.Columns[0], text, sel, dst[:0]) }
		perRow(b)
	})
	}}
}
