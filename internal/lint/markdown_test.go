package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/llm-optimizer/processor/config"
)

var (
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	fence     = regexp.MustCompile("(?ms)^```[^\n]*\n.*?^```$")
	goBlock   = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	makeCall  = regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)
	target    = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	testName  = regexp.MustCompile("`(Test[A-Z]\\w*|Fuzz[A-Z]\\w*|Benchmark[A-Z]\\w*)`")
	codeSpan  = regexp.MustCompile("`([^`\n]+)`")
	placeLike = regexp.MustCompile(`^(aggregate|apptest|bench|cmd|config|docs|event|examples|internal|operator|pipeline|query|result|scripts|sink|source|tools|watermark|window)/[\w./-]*$`)
)

// documents are the Markdown files by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for name, text := range textFiles(t) {
		if path.Ext(name) == ".md" {
			docs[name] = text
		}
	}
	if len(docs) == 0 {
		t.Fatal("found no Markdown files")
	}
	return docs
}

func TestLinksResolve(t *testing.T) {
	docs := documents(t)
	for name, text := range docs {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			to := m[1]
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(to, "#")
			at := name
			if file != "" {
				at = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(root, at)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, to)
				continue
			}
			if anchor != "" && !anchors(docs[at])[anchor] {
				t.Errorf("%s links to %s, but %s has no such heading", name, to, at)
			}
		}
	}
}

// anchors are the fragments that a page's headings can be reached by, as code
// hosts make them: lower case, spaces to hyphens, punctuation dropped.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		found[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, m[1])] = true
	}
	return found
}

func TestDocumentedCommandsExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	for name, text := range documents(t) {
		for _, code := range codeIn(text) {
			for _, m := range makeCall.FindAllStringSubmatch(code, -1) {
				if !targets[m[1]] {
					t.Errorf("%s says make %s, which the Makefile does not have", name, m[1])
				}
			}
		}
	}
}

// codeIn is what a page shows as code: fenced blocks and spans.
func codeIn(text string) []string {
	code := fence.FindAllString(text, -1)
	for _, m := range codeSpan.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		code = append(code, m[1])
	}
	return code
}

// TestDocumentedGoParses takes the Go examples for what they are, the inside of
// a function.
func TestDocumentedGoParses(t *testing.T) {
	for name, text := range documents(t) {
		for _, m := range goBlock.FindAllStringSubmatch(text, -1) {
			code := m[1]
			if !strings.HasPrefix(code, "package ") {
				code = "package p\nfunc _() {\n" + code + "}\n"
			}
			if _, err := parser.ParseFile(token.NewFileSet(), name, code, parser.SkipObjectResolution); err != nil {
				t.Errorf("the Go code in %s does not parse: %v", name, err)
			}
		}
	}
}

// TestDocumentedConfigsLoad takes YAML that begins with a name for a whole
// config.
func TestDocumentedConfigsLoad(t *testing.T) {
	for name, text := range documents(t) {
		for _, m := range yamlBlock.FindAllStringSubmatch(text, -1) {
			if !strings.HasPrefix(m[1], "name:") {
				continue
			}
			file := filepath.Join(t.TempDir(), "example.yaml")
			if err := os.WriteFile(file, []byte(m[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			environ := []string{"DATABASE_URL=postgres://localhost/llm", "KAFKA_PASSWORD=x"}
			if _, err := config.Load(file, environ); err != nil {
				t.Errorf("the config in %s: %v", name, err)
			}
		}
	}
}

// TestDocumentedPlacesExist holds file and test names in the documents against
// the tree: an invariant that names its test is only worth something while the
// test is there.
func TestDocumentedPlacesExist(t *testing.T) {
	tests := map[string]bool{}
	for _, s := range allSources(t) {
		for _, decl := range s.ast.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && s.test {
				tests[f.Name.Name] = true
			}
		}
	}
	for name, text := range documents(t) {
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			if !tests[m[1]] {
				t.Errorf("%s names the test %s, which does not exist", name, m[1])
			}
		}
		if name == "CHANGELOG.md" {
			continue // speaks of the past
		}
		for _, m := range codeSpan.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			place := m[1]
			if !placeLike.MatchString(place) || strings.HasPrefix(place, "bench/data") || strings.HasPrefix(place, "bench/out") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, place)); err != nil {
				t.Errorf("%s names %s, which does not exist", name, place)
			}
		}
	}
}
