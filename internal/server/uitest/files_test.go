package uitest

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// unsafeText makes markup or code of text, or breaks the policy.
var unsafeText = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|createContextualFragment|DOMParser|\bsrcdoc\b|setAttribute\(\s*["']style|\bhttps?://`)

// inMarkup is what the policy would refuse in a page.
var inMarkup = regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<style|javascript:|<script(>|[^>]*>[^<])|https?://`)

// TestTheFilesAreInert holds every file of ours against what could make data
// run, and against anything from elsewhere.
func TestTheFilesAreInert(t *testing.T) {
	seen := 0
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == "" {
			return err
		}
		seen++
		b, err := os.ReadFile(path.Join(folder, name))
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(b), "http://www.w3.org/2000/svg", "")
		rule := unsafeText
		switch {
		case path.Ext(name) == ".html":
			rule = inMarkup
		case strings.HasPrefix(name, "vendor/"):
			text = strings.ReplaceAll(text, "https://github.com/leeoniya/uPlot", "")
		}
		for i, line := range strings.Split(text, "\n") {
			if found := rule.FindString(line); found != "" {
				t.Errorf("%s:%d has %q", name, i+1, found)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Errorf("found only %d files in %s", seen, folder)
	}
}

// TestModulesAreSmall keeps one idea in a file.
func TestModulesAreSmall(t *testing.T) {
	const most = 260
	names, err := fs.Glob(os.DirFS(folder), "*.js")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(path.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), "\n"); n > most {
			t.Errorf("%s has %d lines, more than %d: give its second idea a file of its own", name, n, most)
		}
		if !strings.HasPrefix(string(b), "// ") {
			t.Errorf("%s does not begin with what it is for", name)
		}
		if !strings.HasSuffix(string(b), "}\n") && !strings.HasSuffix(string(b), ";\n") {
			t.Errorf("%s does not end as a file should", name)
		}
	}
}
