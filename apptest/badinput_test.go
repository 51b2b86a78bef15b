package apptest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// deadLetter is a dead letter as it is written.
type deadLetter struct {
	Source struct {
		Path   string
		Offset int64
	}
	Reason, Error, Raw, Encoding string
	Queries                      []string
}

// TestBadInput feeds the binary one bad record of each sort between good ones.
// Every bad record becomes a dead letter with its bytes, its place and the
// reason; every good one counts.
func TestBadInput(t *testing.T) {
	const good = `{"ts":100,"k":"a","v":1}`
	bad := []struct{ name, record, reason string }{
		{"garbage", `not an event`, "json"},
		{"cut short", `{"ts":100,"k":"a"`, "json"},
		{"something behind", good + `x`, "json"},
		{"two objects", good + good, "json"},
		{"not an object", `[1,2]`, "not_object"},
		{"a bare number", `17`, "not_object"},
		{"NaN", `{"ts":100,"k":"a","v":NaN}`, "json"},
		{"infinity", `{"ts":100,"k":"a","v":-Infinity}`, "json"},
		{"too large a number", `{"ts":100,"k":"a","v":1e999}`, "number"},
		{"a leading zero", `{"ts":100,"k":"a","v":01}`, "json"},
		{"a control character", "{\"ts\":100,\"k\":\"a\x01\",\"v\":1}", "json"},
		{"invalid UTF-8", "{\"ts\":100,\"k\":\"a\xff\",\"v\":1}", "utf8"},
		{"half a surrogate pair is fine JSON, a bad escape is not", `{"ts":100,"k":"\u12","v":1}`, "json"},
		{"too deep", `{"ts":100,"k":"a","x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, "depth"},
		{"no time", `{"k":"a","v":1}`, "no_time"},
		{"a null time", `{"ts":null,"k":"a","v":1}`, "no_time"},
		{"a time that is none", `{"ts":"soon","k":"a","v":1}`, "time"},
		{"a time beyond nanoseconds", `{"ts":9e18,"k":"a","v":1}`, "time"},
		{"a text summed", `{"ts":100,"k":"a","v":"1"}`, "type"},
		{"an object as key", `{"ts":100,"k":{},"v":1}`, "type"},
		{"a huge record", `{"ts":100,"k":"` + strings.Repeat("x", 2<<20) + `","v":1}`, "too_large"},
	}
	var in bytes.Buffer
	in.WriteString("\xef\xbb\xbf") // a byte order mark
	offsets := map[string]int64{}
	for _, b := range bad {
		in.WriteString(good + "\r\n\n  \n")
		offsets[b.name] = int64(in.Len())
		in.WriteString(b.record + "\n")
	}
	in.WriteString(`{"ts":150,"ts":100,"k":"b","k":"a","v":7,"v":1}`) // the last of each counts; no line end
	env := []string{"IN=" + write(t, "in.jsonl", in.String()), "OUT=" + t.TempDir()}
	p, code := run(t, env, "--config", write(t, "c.yaml", fileConfig))
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, &p.err)
	}
	letters := readDead(t, filepath.Join(strings.TrimPrefix(env[1], "OUT="), "dead.jsonl"))
	if len(letters) != len(bad) {
		t.Errorf("%d dead letters, want %d", len(letters), len(bad))
	}
	byOffset := map[int64]deadLetter{}
	for _, d := range letters {
		byOffset[d.Source.Offset] = d
	}
	for _, b := range bad {
		d := byOffset[offsets[b.name]]
		raw := d.Raw
		if d.Encoding == "base64" {
			text, err := base64.StdEncoding.DecodeString(d.Raw)
			if err != nil {
				t.Errorf("%s: %v", b.name, err)
			}
			raw = string(text)
		}
		if d.Reason != b.reason || d.Error == "" || (d.Reason == "type") != (len(d.Queries) == 1) {
			t.Errorf("%s: reason %q, error %q, queries %v; want %q", b.name, d.Reason, d.Error, d.Queries, b.reason)
		}
		if raw != b.record && (b.reason != "too_large" || !strings.HasPrefix(b.record, raw)) {
			t.Errorf("%s: raw is %.100q", b.name, raw)
		}
	}
	want := len(bad) + 1 // good ones
	if !strings.Contains(p.out.String(), `"values":{"n":22,"sum":22}`) || want != 22 {
		t.Errorf("results are %s, want %d events", &p.out, want)
	}
}

func readDead(t *testing.T, path string) []deadLetter {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []deadLetter
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var d deadLetter
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			t.Fatalf("%v in %.200s", err, lines.Text())
		}
		all = append(all, d)
	}
	return all
}

// TestOnErrorFail stops at the first bad record, with its place.
func TestOnErrorFail(t *testing.T) {
	cfg := strings.Replace(fileConfig, "format: unix_ms}}", "format: unix_ms}, on_error: fail}", 1)
	env := []string{"IN=" + write(t, "in.jsonl", input), "OUT=" + t.TempDir()}
	p, code := run(t, env, "--config", write(t, "c.yaml", cfg))
	if code != 1 || !strings.Contains(p.err.String(), "in.jsonl offset 76") {
		t.Errorf("exit code %d\n%s", code, &p.err)
	}
}

// TestEmptyInput is no failure.
func TestEmptyInput(t *testing.T) {
	for _, text := range []string{"", "\n", "\r\n \n"} {
		env := []string{"IN=" + write(t, "in.jsonl", text), "OUT=" + t.TempDir()}
		if p, code := run(t, env, "--config", write(t, "c.yaml", fileConfig)); code != 0 || p.out.Len() > 0 {
			t.Errorf("%q: exit code %d\n%s%s", text, code, &p.out, &p.err)
		}
	}
}

// TestNoPermission is refused before anything is read.
func TestNoPermission(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	in := write(t, "in.jsonl", input)
	if err := os.Chmod(in, 0); err != nil {
		t.Fatal(err)
	}
	p, code := run(t, []string{"IN=" + in, "OUT=" + t.TempDir()}, "--config", write(t, "c.yaml", fileConfig))
	if code != 1 || !strings.Contains(p.err.String(), "permission denied") {
		t.Errorf("exit code %d\n%s", code, &p.err)
	}
}
