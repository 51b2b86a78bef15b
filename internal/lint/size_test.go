package lint

import (
	"go/ast"
	"testing"
)

const (
	maxFunction = 80
	maxFile     = 500
)

// longFunctions and longFiles may be longer than the rest, up to the number
// given, for the reason given. They may shrink, not grow.
var longFunctions = map[string]struct {
	lines int
	why   string
}{}

var longFiles = map[string]struct {
	lines int
	why   string
}{}

func TestFunctionsAreShort(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range allSources(t) {
		if s.test {
			continue
		}
		for _, decl := range s.ast.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			name := s.path + " " + f.Name.Name
			length := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
			limit := maxFunction
			if long, ok := longFunctions[name]; ok {
				limit, seen[name] = long.lines, true
				if length <= maxFunction {
					t.Errorf("%q is short now: remove it from longFunctions of internal/lint/size_test.go", name)
				}
			}
			if length > limit {
				t.Errorf("%s:%d: %s has %d lines, more than %d: split it, or if one loop must stand together list %q in longFunctions of internal/lint/size_test.go with the reason",
					s.path, s.line(f), f.Name.Name, length, limit, name)
			}
		}
	}
	for name := range longFunctions {
		if !seen[name] {
			t.Errorf("longFunctions of internal/lint/size_test.go lists %q, which does not exist", name)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range allSources(t) {
		if s.test {
			continue
		}
		length := s.fset.File(s.ast.FileStart).LineCount()
		limit := maxFile
		if long, ok := longFiles[s.path]; ok {
			limit, seen[s.path] = long.lines, true
			if length <= maxFile {
				t.Errorf("%s is short now: remove it from longFiles of internal/lint/size_test.go", s.path)
			}
		}
		if length > limit {
			t.Errorf("%s has %d lines, more than %d: give its second idea a file of its own, or list it in longFiles of internal/lint/size_test.go with the reason",
				s.path, length, limit)
		}
	}
	for name := range longFiles {
		if !seen[name] {
			t.Errorf("longFiles of internal/lint/size_test.go lists %s, which does not exist", name)
		}
	}
}

func TestPackagesAreDescribed(t *testing.T) {
	described := map[string]bool{}
	for _, s := range allSources(t) {
		if !s.test {
			described[s.dir()] = described[s.dir()] || s.ast.Doc != nil
		}
	}
	for dir, ok := range described {
		if !ok {
			t.Errorf("%s: no file has a package comment", dir)
		}
	}
}
