package source_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/llm-optimizer/processor/internal/gen"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/source/sourcetest"
)

// numbered returns n records of differing lengths.
func numbered(name string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%d-%s", name, i, strings.Repeat("x", i*37%500))
	}
	return out
}

func text(records []string) []byte { return []byte(strings.Join(records, "\n") + "\n") }

// gzipped compresses every part as a member of its own.
func gzipped(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	for _, p := range parts {
		z := gzip.NewWriter(&buf)
		must(t, errOf(z.Write(p)))
		must(t, z.Close())
	}
	return buf.Bytes()
}

func zstded(t testing.TB, p []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	must(t, err)
	defer z.Close()
	return z.EncodeAll(p, nil)
}

func errOf(_ int, err error) error { return err }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFileKeepsTheContract(t *testing.T) {
	large, small := numbered("large", 4000), numbered("small", 5)
	for name, c := range map[string]struct {
		files map[string][]byte
		want  []string
	}{
		"one":       {map[string][]byte{"a.jsonl": text(small)}, small},
		"many":      {map[string][]byte{"b.jsonl": text(large), "a.jsonl": text(small)}, append(numbered("small", 5), large...)},
		"no end":    {map[string][]byte{"a.jsonl": bytes.TrimSuffix(text(large), []byte("\n"))}, large},
		"empty":     {map[string][]byte{"a.jsonl": nil, "b.jsonl": text(small)}, small},
		"gzip":      {map[string][]byte{"a.jsonl.gz": gzipped(t, text(large[:1500]), text(large[1500:]))}, large},
		"empty gz":  {map[string][]byte{"a.jsonl.gz": nil}, nil},
		"zstd":      {map[string][]byte{"a.jsonl.zst": zstded(t, text(large))}, large},
		"empty zst": {map[string][]byte{"a.jsonl.zst": nil}, nil},
		"crlf":      {map[string][]byte{"a.jsonl": []byte("a\r\nb\r\n")}, []string{"a\r", "b\r"}},
		"blank":     {map[string][]byte{"a.jsonl": []byte("\n\na\n\n")}, []string{"", "", "a", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, data := range c.files {
				must(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
			}
			sourcetest.Run(t, func() source.Source {
				return &source.File{Path: filepath.Join(dir, "*.jsonl*")}
			}, c.want...)
		})
	}
}

func TestStdinKeepsTheContract(t *testing.T) {
	records := numbered("stdin", 3000)
	whole := text(records)
	for name, in := range map[string]func() io.Reader{
		"at once":          func() io.Reader { return bytes.NewReader(whole) },
		"no end":           func() io.Reader { return bytes.NewReader(whole[:len(whole)-1]) },
		"end with data":    func() io.Reader { return iotest.DataErrReader(bytes.NewReader(whole)) },
		"halves of blocks": func() io.Reader { return iotest.HalfReader(bytes.NewReader(whole)) },
	} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func() source.Source { return &source.Stdin{In: in()} }, records...)
		})
	}
	t.Run("byte by byte", func(t *testing.T) {
		sourcetest.Run(t, func() source.Source {
			return &source.Stdin{In: iotest.OneByteReader(strings.NewReader("one\ntwo\nthree"))}
		}, "one", "two", "three")
	})
	t.Run("nothing", func(t *testing.T) {
		sourcetest.Run(t, func() source.Source { return &source.Stdin{In: strings.NewReader("")} })
	})
}

func TestGenerateKeepsTheContract(t *testing.T) {
	const events, parts = 2001, 2
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	var want []string
	for part, n := range []int{1001, 1000} {
		traffic := gen.NewTraffic(5, part)
		for i := range n {
			after := time.Duration(i) * time.Millisecond * parts
			line := traffic.Append(nil, start+int64(after), after)
			want = append(want, strings.TrimSuffix(string(line), "\n"))
		}
	}
	sourcetest.Run(t, func() source.Source {
		return &source.Generate{Seed: 5, Events: events, Partitions: parts}
	}, want...)
}
