package lint

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayStartGoroutines are the files and folders whose goroutines have an owner
// that stops them and waits for them. Everything else computes and returns.
var mayStartGoroutines = []string{
	"pipeline/",
	"internal/engine/run.go",
	"internal/engine/pump.go",
	"internal/engine/restore.go",
	"internal/delivery/",
	"source/",
	"sink/",
	"kafka/",
	"postgres/",
	"state/redis/",
	"state/pebble/",
	"state/statetest/",
	"internal/server/server.go",
	"internal/servertest/",
	"cmd/processor/",
	"bench/",
}

func TestGoroutinesHaveOwners(t *testing.T) {
	for _, s := range allSources(t) {
		if s.test || allowedPath(s.path, mayStartGoroutines) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s:%d: a go statement outside mayStartGoroutines of internal/lint/calls_test.go", s.path, s.line(n))
			case *ast.CallExpr:
				// (*sync.WaitGroup).Go and (*errgroup.Group).Go take one function.
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Go" && len(n.Args) == 1 {
					t.Errorf("%s:%d: a goroutine outside mayStartGoroutines of internal/lint/calls_test.go", s.path, s.line(n))
				}
			}
			return true
		})
	}
}

// onlyIn says where a function of the standard library may be called outside
// tests; elsewhere it has a better way, which the message tells.
var onlyIn = []struct {
	call    string
	where   []string
	instead string
}{
	{"os.Exit", []string{"cmd/processor/main.go", "bench/main.go"}, "return an error, so that deferred calls run"},
	{"log.Fatal", nil, "return an error"},
	{"log.Fatalf", nil, "return an error"},
	{"fmt.Print", []string{"cmd/processor/", "bench/", "examples/"}, "write to an io.Writer that was given"},
	{"fmt.Printf", []string{"cmd/processor/", "bench/", "examples/"}, "write to an io.Writer that was given"},
	{"fmt.Println", []string{"cmd/processor/", "bench/", "examples/"}, "write to an io.Writer that was given"},
	{"time.Now", []string{
		"pipeline/", "internal/engine/run.go", "internal/engine/clock.go", "internal/engine/epochs.go",
		"internal/engine/pump.go", "internal/delivery/", "internal/metrics/", "internal/waits/", "internal/tracing/", "source/", "sink/",
		"state/pebble/", "kafka/", "postgres/", "internal/gen/", "internal/servertest/", "internal/simtest/",
		"cmd/processor/", "bench/", "examples/", "otlp/", "prometheus/", "internal/server/",
	}, "take the time as an argument: the rules of time are tested without a clock"},
	{"time.Sleep", []string{"bench/"}, "wait for a timer and the context together"},
}

func TestCallsInTheirPlace(t *testing.T) {
	for _, s := range allSources(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := calleeOf(call)
			for _, rule := range onlyIn {
				if name == rule.call && !allowedPath(s.path, rule.where) {
					t.Errorf("%s:%d: %s is for %v alone; %s (the list is onlyIn of internal/lint/calls_test.go)",
						s.path, s.line(n), rule.call, rule.where, rule.instead)
				}
			}
			return true
		})
	}
}

// bannedImports have no place anywhere.
var bannedImports = map[string]string{
	"unsafe":    "the project is written in safe Go",
	"C":         "the binary is built without cgo",
	"math/rand": "use math/rand/v2 with a seed",
	"io/ioutil": "it is deprecated",
	"log":       "use log/slog",
}

func TestBannedImports(t *testing.T) {
	for _, s := range allSources(t) {
		for _, spec := range s.ast.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why, banned := bannedImports[name]; banned {
				t.Errorf("%s:%d: no import of %s: %s", s.path, s.line(spec), name, why)
			}
		}
	}
}

// panics is how many panics a package has. A panic is for a broken invariant,
// never for input, state or a caller's mistake that an error can tell. A lower
// number is welcome: take it over here.
var panics = map[string]int{
	"cmd/processor":   2, // the command-line parser's way out after --help
	"config":          1,
	"internal/decode": 1,
	"internal/engine": 1,
	"internal/keytab": 1,
}

func TestPanicsAreRare(t *testing.T) {
	found := map[string][]string{}
	for _, s := range allSources(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && calleeOf(call) == "panic" {
				found[s.dir()] = append(found[s.dir()], fmt.Sprintf("%s:%d", s.path, s.line(n)))
			}
			return true
		})
	}
	for _, dir := range slices.Sorted(maps.Keys(found)) {
		if places := found[dir]; len(places) != panics[dir] {
			t.Errorf("%s has %d panics (%s), panics in internal/lint/calls_test.go says %d; return an error unless an invariant is broken",
				dir, len(places), strings.Join(places, ", "), panics[dir])
		}
	}
	for dir := range panics {
		if len(found[dir]) == 0 {
			t.Errorf("panics in internal/lint/calls_test.go says %d for %s, which has none: remove it", panics[dir], dir)
		}
	}
}

// calleeOf is the name of a called function as written: "panic", "os.Exit".
func calleeOf(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if pkg, ok := f.X.(*ast.Ident); ok {
			return pkg.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// allowedPath reports whether a file is one of the given files, or in one of
// the folders, which end with a slash.
func allowedPath(name string, allowed []string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		return name == a || strings.HasSuffix(a, "/") && strings.HasPrefix(name, a)
	})
}

func TestAllowedPath(t *testing.T) {
	for _, c := range []struct {
		name string
		want bool
	}{
		{"source/file.go", true},
		{"internal/engine/run.go", true},
		{"internal/engine/merge.go", false},
		{"sourcery/file.go", false},
	} {
		if got := allowedPath(c.name, mayStartGoroutines); got != c.want {
			t.Errorf("allowedPath(%s) = %v in %s", c.name, got, path.Dir(c.name))
		}
	}
}
