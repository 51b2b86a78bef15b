package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/llm-optimizer/processor"
)

// goFile is one Go file of the module.
type goFile struct {
	path string // relative to the root, with slashes
	test bool
	ast  *ast.File
	fset *token.FileSet
}

// dir is the package's folder, "." for the root.
func (s goFile) dir() string { return path.Dir(s.path) }

// line says where a node stands, as editors like it.
func (s goFile) line(n ast.Node) int { return s.fset.Position(n.Pos()).Line }

// skipped are folders that hold nothing of ours to judge.
var skipped = map[string]bool{
	".git": true, "bin": true, "out": true, "bench/data": true, "bench/out": true, ".idea": true, ".vscode": true,
}

// files lists all files below the root, without what .gitignore names.
var files = sync.OnceValues(func() ([]string, error) {
	var list []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if skipped[rel] || strings.HasSuffix(rel, "testdata/rapid") {
				return fs.SkipDir
			}
			return nil
		}
		list = append(list, rel)
		return nil
	})
	return list, err
})

// sources parses every Go file of the module. The tools are another module.
var sources = sync.OnceValues(func() ([]goFile, error) {
	list, err := files()
	if err != nil {
		return nil, err
	}
	var parsed []goFile
	for _, name := range list {
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, "tools/") || strings.Contains(name, "/testdata/") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(root, name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, goFile{path: name, test: strings.HasSuffix(name, "_test.go"), ast: f, fset: fset})
	}
	return parsed, nil
})

// allSources is sources for a test.
func allSources(t *testing.T) []goFile {
	t.Helper()
	list, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 10 {
		t.Fatalf("found only %d Go files below %s: is the test in the wrong place?", len(list), root)
	}
	return list
}

// textFiles is the files that people read, for a test.
func textFiles(t *testing.T) map[string]string {
	t.Helper()
	list, err := files()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, name := range list {
		switch path.Ext(name) {
		case ".go", ".md", ".yaml", ".yml", ".sh", ".awk", ".mod", ".txt", "":
		default:
			continue
		}
		if name == "LICENSE" || strings.Contains(name, "testdata/") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(b)
	}
	return texts
}
