package config

import (
	"slices"
	"strings"

	"github.com/llm-optimizer/processor/query"
)

// check compares a value with its declaration, notes what does not fit, and
// leaves the parsed values in the tree. at is the place of the key, for what
// is missing.
func (l *loader) check(n *node, s *setting, path string) {
	switch s.Kind {
	case section:
		l.checkSection(n, s, path)
	case list:
		l.checkList(n, s, path)
	case names:
		l.checkNames(n, s, path)
	case exprs:
		l.checkExprs(n, s, path)
	default:
		l.checkScalar(n, s, path)
	}
}

func (l *loader) checkSection(n *node, s *setting, path string) {
	if n.kind != mappingNode && n.kind != nullNode {
		of := "{}"
		if keys := s.keys(); len(keys) > 0 {
			of = "a mapping of " + strings.Join(keys, ", ")
		}
		l.add(path, n.at, "is %s; it has to be %s%s", n.describe(), of, example(s))
		return
	}
	if s.Off && n.isEmpty() {
		return
	}
	unknown := false
	for _, e := range n.entries {
		below := join(path, e.key)
		c := s.child(e.key)
		if c == nil {
			unknown = true
			if i := strings.LastIndexByte(e.key, '@'); i >= 0 {
				// Inside {} a comma ends a value, and this may be the end of a
				// password.
				below = join(path, "…"+e.key[i:])
			}
			l.add(below, e.at, "unknown key; %s", unknownKey(s, e.key))
			continue
		}
		if e.value.isNull() && c.Kind != section && c.Kind != exprs {
			l.add(below, e.at, "has no value; %s", withoutValue(c))
			continue
		}
		l.check(e.value, c, below)
	}
	for _, c := range s.children {
		if c.Required && n.entry(c.name()) == nil {
			l.add(join(path, c.name()), n.at, "is missing; add it%s", example(c))
		}
	}
	if s.OneOf {
		l.checkOneOf(n, s, path, unknown)
	}
}

func (l *loader) checkOneOf(n *node, s *setting, path string, unknown bool) {
	kinds, given := s.alternatives(), []*entry(nil)
	for _, e := range n.entries {
		if slices.Contains(kinds, e.key) {
			given = append(given, e)
		}
	}
	switch {
	case len(given) > 1:
		have := make([]string, 0, len(given))
		for _, e := range given {
			have = append(have, e.key)
		}
		l.add(path, given[1].at, "has %s; give exactly one of %s", strings.Join(have, " and "), strings.Join(kinds, ", "))
	case len(given) == 0 && !unknown:
		l.add(path, n.at, "says no kind; give exactly one of %s", strings.Join(kinds, ", "))
	}
}

// unknownKey says what a key should have been.
func unknownKey(s *setting, key string) string {
	if s.parent != nil && s.parent.child(key) != nil && s.child(key) == nil && s.parent.Kind == section && s.parent.OneOf {
		return "it belongs one level up, beside " + s.name()
	}
	if len(s.children) == 0 {
		return "nothing is allowed here: write " + s.name() + ": {}"
	}
	return didYouMean(key, s.keys())
}

// withoutValue says what to do about a key without a value.
func withoutValue(s *setting) string {
	if s.Required {
		return "give one" + example(s)
	}
	if s.Default != "" {
		return "leave the key out for the default, " + s.Default + ", or give one" + example(s)
	}
	return "leave the key out, or give one" + example(s)
}

// example ends a message with a line that would be right.
func example(s *setting) string {
	if s.Example == "" {
		return ""
	}
	name := s.name()
	if s.Kind == section && name == "*" {
		return ", such as " + s.Example
	}
	if strings.HasPrefix(name, "<") {
		name = "name"
	}
	return ", such as " + name + ": " + s.Example
}

func (l *loader) checkList(n *node, s *setting, path string) {
	if n.kind != sequenceNode {
		l.add(path, n.at, "is %s; it has to be a list: begin each item with a dash", n.describe())
		return
	}
	if s.Required && len(n.items) == 0 {
		l.add(path, n.at, "is empty; it needs at least one item")
	}
	for i, item := range n.items {
		at := join(path, itoa(i))
		if item.isNull() {
			l.add(at, item.at, "is empty; fill it in or remove the dash")
			continue
		}
		l.check(item, s.child("*"), at)
	}
}

func (l *loader) checkNames(n *node, s *setting, path string) {
	if n.kind != sequenceNode {
		l.add(path, n.at, "is %s; it has to be a list of names, such as %s", n.describe(), s.Example)
		return
	}
	switch {
	case len(n.items) > 0:
	case s.Required:
		l.add(path, n.at, "is empty; name at least one")
	case s.Note == "none":
		l.add(path, n.at, "is empty; leave the key out, or name some")
	default:
		l.add(path, n.at, "is empty; leave the key out for all, or name some")
	}
	seen := map[string]bool{}
	for i, item := range n.items {
		at := join(path, itoa(i))
		switch {
		case item.kind != scalarNode:
			l.add(at, item.at, "is %s; it has to be a name", item.describe())
		case item.unset:
		case seen[item.text]:
			l.add(at, item.at, "%s is there twice; keep one of them", item.quote())
		default:
			seen[item.text] = true
			item.value = item.text
		}
	}
}

func (l *loader) checkExprs(n *node, s *setting, path string) {
	if n.kind != mappingNode && n.kind != nullNode {
		short := ""
		if s.ListShort {
			short = " or a list of fields"
		}
		l.add(path, n.at, "is %s; it has to be a mapping of names%s%s", n.describe(), short, example(s))
		return
	}
	if s.Required && len(n.entries) == 0 {
		l.add(path, n.at, "is empty; add at least one%s", example(s.child("")))
	}
	for _, e := range n.entries {
		below := join(path, e.key)
		switch {
		case e.value.isNull() && n.flow && strings.ContainsAny(e.key, "()"):
			l.add(below, e.at, "has no value; inside {} a comma ends the value before it: put the expression in quotes")
		case e.value.isNull():
			l.add(below, e.at, "has no value; %s", withoutValue(s.child("")))
		default:
			l.check(e.value, s.child(""), below)
		}
	}
}

func (l *loader) checkScalar(n *node, s *setting, path string) {
	if n.kind != scalarNode {
		l.add(path, n.at, "is %s; it has to be a single value%s", n.describe(), example(s))
		return
	}
	if n.unset {
		return
	}
	value, wrong := s.parse(n)
	if wrong != "" {
		l.add(path, n.at, "%s %s", n.quote(), n.redact(string(wrong)))
		return
	}
	var p *query.Problem
	switch s.Kind {
	case field:
		p = query.CheckField(path, n.text)
	case expr:
		p = query.CheckExpr(path, n.text)
	default:
	}
	if p != nil {
		l.addExpr(n, path, *p)
		return
	}
	n.value = value
}

// addExpr notes a problem within the text of an expression.
func (l *loader) addExpr(n *node, path string, p query.Problem) {
	message := n.redact(p.Message)
	if n.flow && strings.Count(n.text, "(") > strings.Count(n.text, ")") {
		message = "the text ends inside a bracket; inside {} a comma ends the value: put the expression in quotes"
		p.Column = 0
	}
	l.add(path, n.column(p.Column), "%s", message)
}
