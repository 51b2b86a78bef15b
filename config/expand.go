package config

import (
	"strings"
)

// expand replaces ${NAME} by the environment variable in every text of the
// file; $${ stands for ${ itself. Values of PROCESSOR_ variables are taken as
// they are.
func (l *loader) expand(n *node, path string) {
	switch {
	case n == nil:
	case n.kind == scalarNode:
		if n.at.variable == "" && strings.Contains(n.text, "${") {
			l.expandText(n, path)
			l.unset[path] = n.unset
		}
	default:
		for _, e := range n.entries {
			l.expand(e.value, join(path, e.key))
		}
		for i, item := range n.items {
			l.expand(item, join(path, itoa(i)))
		}
	}
}

func (l *loader) expandText(n *node, path string) {
	var out strings.Builder
	raw, secrets := n.text, map[string]string{}
	rest := raw
	for {
		before, after, found := strings.Cut(rest, "${")
		if escaped, ok := strings.CutSuffix(before, "$"); found && ok {
			out.WriteString(escaped + "${")
			rest = after
			continue
		}
		out.WriteString(before)
		if !found {
			break
		}
		at := n.column(len([]rune(raw[:len(raw)-len(after)])) - 1)
		name, tail, closed := strings.Cut(after, "}")
		switch value, set := l.environ[name]; {
		case !closed:
			n.unset = true
			l.add(path, at, "${ has no closing }; write ${NAME} for an environment variable, or $${ for the characters themselves")
			return
		case !isVariable(name):
			n.unset = true
			l.add(path, at, "${%s} names no environment variable; write ${NAME} with letters, digits and _, or $${ for the characters themselves", name)
		case !set:
			n.unset = true
			l.add(path, at, "the environment variable %s is not set; set it, or write $${ for the characters themselves", name)
		default:
			secrets[name] = value
			out.WriteString(value)
		}
		rest = tail
	}
	n.raw, n.text, n.textAt = raw, out.String(), 0
	if len(secrets) > 0 {
		n.secrets = secrets
		if n.scalar == textScalar {
			n.scalar = anyScalar
		}
	}
}

// isVariable reports whether a text can name an environment variable.
func isVariable(name string) bool {
	for i, r := range name {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
