package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// envPrefix begins the environment variables that override settings:
// PROCESSOR_WATERMARK__IDLE_TIMEOUT is watermark.idle_timeout.
const envPrefix = "PROCESSOR_"

func itoa(i int) string { return strconv.Itoa(i) }

// environment makes a map of NAME=value texts; the last of a name wins.
func environment(environ []string) map[string]string {
	out := make(map[string]string, len(environ))
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok {
			out[name] = value
		}
	}
	return out
}

// applyEnvironment puts the values of PROCESSOR_ variables into the tree.
func (l *loader) applyEnvironment(root *node) {
	names := slices.SortedFunc(maps.Keys(l.environ), compareVariables)
	for _, name := range names {
		path, ok := strings.CutPrefix(name, envPrefix)
		if !ok || path == "" {
			continue
		}
		l.override(root, name, strings.Split(strings.ToLower(path), "__"), l.environ[name])
	}
}

// compareVariables orders variables so that the items of a list come in the
// order of their numbers.
func compareVariables(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "__"), strings.Split(b, "__"), func(a, b string) int {
		x, errX := strconv.Atoi(a)
		y, errY := strconv.Atoi(b)
		if errX == nil && errY == nil {
			return cmp.Compare(x, y)
		}
		return strings.Compare(a, b)
	})
}

// override walks to the setting that a variable names, making what is missing
// on the way, and sets it.
func (l *loader) override(n *node, variable string, parts []string, value string) {
	s, at := settingOf(parts), place{variable: variable}
	if s == nil {
		l.warnings = append(l.warnings, fmt.Sprintf("the environment variable %s names no setting and is ignored", variable))
		return
	}
	s, path := declared, ""
	for _, part := range parts {
		s = s.child(part)
		next, name := step(n, s, part, at)
		if next == nil {
			l.add(join(path, part), at, "%s", name)
			return
		}
		n, path = next, join(path, name)
	}
	l.assign(n, s, path, at, value)
}

// settingOf is the setting at a path in lower case, nil when there is none.
func settingOf(parts []string) *setting {
	s := declared
	for _, part := range parts {
		if s.Kind == list {
			if _, err := strconv.ParseUint(part, 10, 31); err != nil {
				return nil
			}
		}
		if s = s.child(part); s == nil || part == "" {
			return nil
		}
	}
	return s
}

// step goes from n to the part below it and returns that and its name as it
// stands in the file, or nil and what is wrong.
func step(n *node, s *setting, part string, at place) (*node, string) {
	if s.name() == "*" {
		return stepItem(n, part, at)
	}
	if n.isNull() || n.kind == scalarNode {
		*n = node{kind: mappingNode, at: at}
	}
	if n.kind != mappingNode {
		return nil, "the file has a list here; it has to be a mapping"
	}
	for _, e := range n.entries {
		if e.key == part || s.name() == "<name>" && strings.EqualFold(e.key, part) {
			return e.value, e.key
		}
	}
	below := &node{at: at}
	n.put(part, below)
	return below, part
}

func stepItem(n *node, part string, at place) (*node, string) {
	if n.isNull() {
		*n = node{kind: sequenceNode, at: at}
	}
	i, err := strconv.Atoi(part)
	switch {
	case n.kind != sequenceNode:
		return nil, "the file has no list here"
	case err != nil || i > len(n.items):
		return nil, fmt.Sprintf("%s in the list; numbers begin at 0, and %d would add one", onlySoMany(len(n.items)), len(n.items))
	case i == len(n.items):
		n.items = append(n.items, &node{at: at})
	}
	return n.items[i], part
}

func onlySoMany(n int) string {
	switch n {
	case 0:
		return "there is none"
	case 1:
		return "there is only 1"
	default:
		return "there are only " + itoa(n)
	}
}

// assign replaces what n holds by the text of a variable.
func (l *loader) assign(n *node, s *setting, path string, at place, value string) {
	scalar := func(text string) *node {
		return &node{kind: scalarNode, at: at, scalar: anyScalar, text: text}
	}
	switch {
	case s.scalar():
		*n = *scalar(value)
	case s.Kind == section && s.Short != "" && value != "" && value != "{}":
		if n.kind != mappingNode {
			*n = node{kind: mappingNode, at: at}
		}
		n.put(s.Short, scalar(value))
	case s.Kind == names || s.ListShort:
		*n = node{kind: sequenceNode, at: at}
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				n.items = append(n.items, scalar(part))
			}
		}
		l.shape(n, s, path)
	case s.Kind == section && (value == "" || value == "{}"):
		*n = node{kind: mappingNode, at: at}
	default:
		l.add(path, at, "is a group of settings; set one of them, such as %s__%s", at.variable, groupExample(s))
	}
}

// groupExample is the end of a variable for a setting below s.
func groupExample(s *setting) string {
	switch s.Kind {
	case list:
		return "0__NAME"
	case exprs:
		return "NAME"
	default:
		return strings.ToUpper(s.keys()[0])
	}
}
