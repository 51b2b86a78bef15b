package config

import (
	"regexp"
	"strings"
)

// kind is what a setting takes.
type kind uint8

const (
	section kind = iota // a mapping of the settings below it
	list                // a list of what stands below it as "*"
	names               // a list of names
	exprs               // name: expression, in order; the value below is "<name>"
	text                // any text
	field               // a path in the event
	expr                // an expression
	call                // an aggregate: function(expression) where expression
	choice              // one of Values
	boolean
	integer
	duration
	size     // a number of bytes
	fraction // a number from 0 to 1
)

// setting declares one key of the config. The table of them is the only
// declaration: the loader's checks, the JSON Schema, docs/configuration.md and
// reference.yaml are made from it.
type setting struct {
	// Path is the key's place: "watermark.emit". An item of a list is "*".
	Path string
	Kind kind
	// Default as it is written in YAML; empty means there is none. Note says
	// what the default is where it depends on other settings.
	Default, Note string
	// Required settings have no default.
	Required bool
	// Values are what a choice allows.
	Values []string
	// Min and Max bound integers, sizes (bytes) and durations
	// (nanoseconds); both 0 means no bounds but those of the type.
	Min, Max int64
	// Pattern is a regular expression that text has to match, PatternDoc says
	// it in words.
	Pattern, PatternDoc string
	// OneOf marks a section with exactly one of the sections below it.
	OneOf bool
	// Off marks a setting without a default that "" or {} leaves off, as if the
	// key were not there.
	Off bool
	// Short is the key below a section that a single value stands for:
	// {tumbling: 1m} is {tumbling: {size: 1m}}.
	Short string
	// ListShort allows [model] for {model: model}.
	ListShort bool
	// Doc explains the setting in a sentence or two; Example is YAML.
	Doc, Example string
	// Since is the version that brought the setting.
	Since string

	children []*setting
	parent   *setting
	pattern  *regexp.Regexp
	// fallback is Default as a value, nil when there is none.
	fallback any
}

// name is the last part of the path.
func (s *setting) name() string { return s.Path[strings.LastIndexByte(s.Path, '.')+1:] }

// child returns the setting below by the name of a key, nil when there is
// none. Any name will do below a list and below exprs.
func (s *setting) child(name string) *setting {
	for _, c := range s.children {
		if n := c.name(); n == name || n == "*" || n == "<name>" {
			return c
		}
	}
	return nil
}

// keys are the names of the settings below.
func (s *setting) keys() []string {
	out := make([]string, 0, len(s.children))
	for _, c := range s.children {
		out = append(out, c.name())
	}
	return out
}

// alternatives are the sections of which exactly one is given.
func (s *setting) alternatives() []string {
	var out []string
	for _, c := range s.children {
		if s.OneOf && c.Kind == section {
			out = append(out, c.name())
		}
	}
	return out
}

// scalar reports whether the setting takes a single value.
func (s *setting) scalar() bool { return s.Kind >= text }

// declared is the table as a tree.
var declared = makeTree(settings)

// makeTree links the settings to those above them, which precede them.
func makeTree(table []setting) *setting {
	root := &setting{Kind: section}
	byPath := map[string]*setting{"": root}
	for i := range table {
		s := &table[i]
		above, _ := splitLast(s.Path)
		s.parent = byPath[above]
		s.parent.children = append(s.parent.children, s)
		byPath[s.Path] = s
		if s.Pattern != "" {
			s.pattern = regexp.MustCompile(s.Pattern)
		}
		if s.Default != "" && s.scalar() {
			s.fallback, _ = s.parse(&node{kind: scalarNode, scalar: anyScalar, text: s.Default})
		}
	}
	return root
}

// splitLast cuts a path before its last part.
func splitLast(path string) (above, last string) {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}
