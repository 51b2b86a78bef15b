package config

import (
	"bytes"
	"slices"
	"strings"
)

const referenceHead = `# yaml-language-server: $schema=schema.json
#
# Every setting of processor with its default. A setting that has none stands
# here with an example. Exactly one kind of a source, a window or a sink can be
# given: the others are commented out, as is what is off unless it is given.
#
# Made from the table of settings; do not edit. Run go test ./config -update.
`

// Reference is reference.yaml: every setting with its default and what it
// does.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString(referenceHead)
	for _, s := range declared.children {
		b.WriteByte('\n')
		(referenceWriter{b: &b, off: -1}).setting(s)
	}
	return b.Bytes()
}

// referenceWriter writes settings as YAML.
type referenceWriter struct {
	b      *bytes.Buffer
	indent int
	// off is the indentation from which on lines are commented out, or -1.
	off int
	// dash is set for the first setting of a list's item.
	dash bool
}

// line writes a line at the indentation, or after the sign that comments it
// out.
func (r referenceWriter) line(text string) {
	indent := strings.Repeat(" ", r.indent)
	if r.off >= 0 {
		indent = indent[:r.off] + "#" + indent[r.off:]
	}
	r.b.WriteString(indent + text + "\n")
}

// explain writes what a setting does above it.
func (r referenceWriter) explain(s *setting) {
	text := s.Doc
	if s.Required {
		text += " Required."
	}
	if s.Note != "" {
		text += " Default: " + s.Note + "."
	}
	if len(s.Values) > 1 {
		text += " One of " + strings.Join(s.Values, ", ") + "."
	}
	for line := range strings.Lines(wrap(text, 100-r.indent)) {
		r.line("# " + strings.TrimSuffix(line, "\n"))
	}
}

// wrap breaks a text into lines of at most width bytes.
func wrap(text string, width int) string {
	var out strings.Builder
	used := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case used == 0:
		case used+1+len(word) > width:
			out.WriteByte('\n')
			used = 0
		default:
			out.WriteByte(' ')
			used++
		}
		out.WriteString(word)
		used += len(word)
	}
	return out.String()
}

func (r referenceWriter) setting(s *setting) {
	if r.off < 0 && !s.Required && s.Default == "" && (s.Kind != section || s.parent == declared || s.Note != "") {
		r.off = r.indent
	}
	head := r
	if r.dash {
		head.indent -= 2
	}
	head.explain(s)
	key := s.name() + ":"
	if r.dash {
		key = "- " + key
	}
	switch s.Kind {
	case section:
		if len(s.children) == 0 {
			head.line(key + " {}")
			return
		}
		head.line(key)
		r.below(s.children, s.OneOf, false)
	case list:
		head.line(key)
		r.item(s.child("*"))
	case exprs:
		if s.Required || r.off >= 0 {
			head.line(key)
		} else {
			head.line(key + " {}")
		}
		r.pair(s)
	default:
		head.line(key + " " + s.referenceValue())
	}
}

// below writes the settings of a section; of its alternatives all but one are
// commented out.
func (r referenceWriter) below(children []*setting, oneOf, given bool) {
	for _, c := range children {
		inner := r
		inner.indent, inner.dash = r.indent+2, false
		if oneOf && c.Kind == section {
			if given && inner.off < 0 {
				inner.off = inner.indent
			}
			given = true
		}
		inner.setting(c)
	}
}

// item writes the item of a list, beginning with a setting that is no comment.
func (r referenceWriter) item(s *setting) {
	i := slices.IndexFunc(s.children, func(c *setting) bool { return c.Required || s.OneOf && c.Kind == section })
	first := r
	first.indent, first.dash = r.indent+4, true
	first.setting(s.children[i])
	rest := slices.Delete(slices.Clone(s.children), i, i+1)
	r.indent += 2
	r.below(rest, s.OneOf, true)
}

// pair writes an example of an expression with a name.
func (r referenceWriter) pair(s *setting) {
	c := s.child("")
	r.indent, r.dash = r.indent+2, false
	if !s.Required && r.off < 0 {
		r.off = r.indent
	}
	r.explain(c)
	r.line("name: " + c.Example)
}

// referenceValue is the default, or an example where there is none.
func (s *setting) referenceValue() string {
	if s.Default != "" {
		return s.Default
	}
	return s.Example
}
