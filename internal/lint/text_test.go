package lint

import (
	"regexp"
	"strings"
	"testing"
)

// bannedText is what a reader of the project should not meet. The pieces are
// joined here so that the test does not find itself.
var bannedText = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`\b` + "FIX" + `ME\b`), "mend it"},
	{regexp.MustCompile(`\b` + "XX" + `X\b`), "say what is wrong"},
	{regexp.MustCompile(`\b` + "HA" + `CK\b`), "say why it has to be so"},
	{regexp.MustCompile(`\b` + "TO" + `DO\b`), "do it, or write the limit down where its users look"},
	{regexp.MustCompile(`(/home|/Users|/root)/[A-Za-z0-9._-]+/`), "a path of one machine"},
	{regexp.MustCompile(`\b` + "DO NOT" + ` SUBMIT\b`), "it was not meant to be here"},
	{regexp.MustCompile(`(?m)^(<{7} |>{7} |={7}$)`), "a conflict that was not resolved"},
	{regexp.MustCompile(`(?m)[ \t]+$`), "space at the end of a line"},
	{regexp.MustCompile(`\r`), "a carriage return"},
}

func TestBannedText(t *testing.T) {
	for name, text := range textFiles(t) {
		for _, rule := range bannedText {
			at := rule.pattern.FindStringIndex(text)
			if at == nil {
				continue
			}
			line := 1 + strings.Count(text[:at[0]], "\n")
			t.Errorf("%s:%d: %q: %s", name, line, strings.TrimSpace(text[at[0]:at[1]]), rule.why)
		}
	}
}

func TestFilesEndWithOneNewline(t *testing.T) {
	for name, text := range textFiles(t) {
		if text == "" {
			t.Errorf("%s is empty", name)
		} else if !strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\n\n") {
			t.Errorf("%s does not end with exactly one newline", name)
		}
	}
}
