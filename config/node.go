package config

import (
	"slices"
	"strconv"
	"strings"
)

// place is where something in the settings was written.
type place struct {
	line, column int
	// variable is the environment variable that set the value instead.
	variable string
}

type nodeKind uint8

const (
	nullNode nodeKind = iota
	scalarNode
	mappingNode
	sequenceNode
)

func (k nodeKind) String() string {
	return [...]string{"nothing", "a single value", "a mapping", "a list"}[k]
}

// scalarType is what YAML takes a scalar for.
type scalarType uint8

const (
	textScalar scalarType = iota
	intScalar
	floatScalar
	boolScalar
	// anyScalar comes from the environment, where all is text.
	anyScalar
)

func (t scalarType) String() string {
	return [...]string{"text", "a whole number", "a number", "true or false", "text"}[t]
}

// node is a value of the config as a tree that keeps places. Unlike the tree
// of the YAML library it can be changed: short forms become long ones and the
// environment's values are put in.
type node struct {
	kind nodeKind
	at   place

	text   string
	scalar scalarType
	// textAt is the column of text's first character when columns within text
	// are columns of the line, else 0.
	textAt int
	// value is text as its setting takes it, nil until it was checked.
	value any
	// raw is text before ${NAME} was replaced in it, secrets are the values
	// that came in, by name.
	raw     string
	secrets map[string]string
	// unset says that a ${NAME} could not be replaced, so that what the text
	// would have been is not known.
	unset bool

	entries []*entry
	items   []*node
	// flow is set for {…} and […], and for unquoted text inside them.
	flow bool
	// bare is set for a field of a key that was written as a list.
	bare bool
}

// entry is one key of a mapping.
type entry struct {
	key   string
	at    place
	value *node
}

// find returns the value of a key, nil when the key is missing.
func (n *node) find(key string) *node {
	if e := n.entry(key); e != nil {
		return e.value
	}
	return nil
}

func (n *node) entry(key string) *entry {
	if n == nil || n.kind != mappingNode {
		return nil
	}
	i := slices.IndexFunc(n.entries, func(e *entry) bool { return e.key == key })
	if i < 0 {
		return nil
	}
	return n.entries[i]
}

// put sets a key, replacing an earlier value in its place.
func (n *node) put(key string, value *node) {
	if e := n.entry(key); e != nil {
		e.value = value
		return
	}
	n.entries = append(n.entries, &entry{key: key, at: value.at, value: value})
}

// isNull reports whether the value is missing or empty.
func (n *node) isNull() bool { return n == nil || n.kind == nullNode }

// isEmpty reports whether the value is missing or {}.
func (n *node) isEmpty() bool { return n.isNull() || n.kind == mappingNode && len(n.entries) == 0 }

// describe says what a value is, for messages about a wrong type.
func (n *node) describe() string {
	if n.kind == scalarNode {
		return n.scalar.String()
	}
	return n.kind.String()
}

// quote shows a scalar in a message. What came from the environment may be a
// secret and is not shown.
func (n *node) quote() string {
	switch {
	case n.at.variable != "":
		return "the value"
	case len(n.secrets) > 0:
		return strconv.Quote(hidePassword(n.raw))
	default:
		return strconv.Quote(hidePassword(n.text))
	}
}

// hidePassword takes user and password out of an address.
func hidePassword(text string) string {
	scheme, rest, _ := strings.Cut(text, "//")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		return scheme + "//…" + rest[i:]
	}
	return text
}

// redact puts the names of environment variables back in the place of their
// values in a message about the scalar.
func (n *node) redact(message string) string {
	const worthHiding = 4 // shorter ones are no secrets, and hiding a 5 hides every 5
	if n.at.variable != "" && len(n.text) >= worthHiding {
		message = strings.ReplaceAll(message, n.text, "…")
	}
	for name, value := range n.secrets {
		if len(value) >= worthHiding {
			message = strings.ReplaceAll(message, value, "${"+name+"}")
		}
	}
	return message
}

// column is the place of a character of the text, counted from 1.
func (n *node) column(c int) place {
	at := n.at
	if c > 0 && n.textAt > 0 && len(n.secrets) == 0 {
		at.column = n.textAt + c - 1
	}
	return at
}
