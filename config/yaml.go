package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds on the text that is handed to the YAML library, which is recursive.
const (
	maxConfigBytes = 1 << 20
	maxLineBytes   = 10_000
	maxNesting     = 50
)

// readYAML turns the text of a config file into a tree.
func (l *loader) readYAML(text []byte) *node {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !l.checkText(text) {
		return nil
	}
	file, err := parseYAML(text, l.checkTokens)
	if err != nil {
		l.syntaxError(err)
		return nil
	}
	if file == nil {
		return nil
	}
	docs := slicesOfContent(file)
	switch {
	case len(docs) == 0:
		l.add("", place{line: 1, column: 1}, "the file is empty; the smallest config has name, source, event.time, queries and sinks")
		return nil
	case len(docs) > 1:
		l.add("", tokenPlace(docs[1].GetToken()), "a second YAML document begins here; a config is one document: remove the --- between them")
		return nil
	}
	root := l.convert(docs[0], "")
	if root != nil && root.kind != mappingNode {
		l.add("", root.at, "the config is %s; it has to be a mapping of settings such as name: llm-health", root.describe())
		return nil
	}
	return root
}

// checkText refuses what the YAML library should not see.
func (l *loader) checkText(text []byte) bool {
	if len(text) > maxConfigBytes {
		l.add("", place{line: 1, column: 1}, "the file is larger than 1 MiB; a config is far smaller: is this a data file?")
		return false
	}
	ok := true
	line := 0
	for part := range bytes.SplitSeq(text, []byte("\n")) {
		line++
		switch {
		case len(part) > maxLineBytes:
			l.add("", place{line: line, column: 1}, "the line is longer than %d bytes; break it up", maxLineBytes)
			ok = false
		case !utf8.Valid(part):
			l.add("", place{line: line, column: 1}, "the line is not valid UTF-8; save the file as UTF-8")
			ok = false
		case bytes.IndexByte(part, 0) >= 0:
			l.add("", place{line: line, column: 1}, "the line holds a zero byte; is this a text file?")
			ok = false
		}
		if !ok {
			return false
		}
	}
	return ok
}

// parseYAML is the library's parser with a panic of it turned into an error: a
// fuzzer finds texts for which it does.
func parseYAML(text []byte, check func(token.Tokens) bool) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, fmt.Errorf("the text cannot be read as YAML: %v", p)
		}
	}()
	tokens := lexer.Tokenize(string(text))
	if !check(tokens) {
		return nil, nil
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// checkTokens refuses the parts of YAML that a config has no use for, and
// nesting that would exhaust the stack.
func (l *loader) checkTokens(tokens token.Tokens) bool {
	before := len(l.problems)
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			l.add("", tokenPlace(t), "anchors, aliases and merge keys (& * <<) are not supported; write the value out, and put text that begins with & or * in quotes")
		case token.TagType:
			l.add("", tokenPlace(t), "YAML tags (!) are not supported; put text that begins with ! in quotes")
		case token.DirectiveType:
			l.add("", tokenPlace(t), "YAML directives (%%) are not supported; remove the line")
		case token.MappingStartType, token.SequenceStartType:
			depth++
			if depth == maxNesting {
				l.add("", tokenPlace(t), "brackets are nested more than %d deep", maxNesting)
				return false
			}
		case token.MappingEndType, token.SequenceEndType:
			depth--
		default:
		}
	}
	return len(l.problems) == before
}

func (l *loader) syntaxError(err error) {
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) || syntax.Token == nil {
		l.add("", place{line: 1, column: 1}, "%v", err)
		return
	}
	hint := "check the indentation and the quotes"
	switch {
	case strings.ContainsRune(syntax.Token.Origin, '\t'):
		hint = "indent with spaces, not with tabs"
	case strings.Contains(syntax.Message, "mapping value is not allowed"):
		hint = "put text that holds a colon and a space in quotes, or check the indentation"
	}
	l.add("", tokenPlace(syntax.Token), "not valid YAML: %s; %s", strings.TrimSpace(syntax.Message), hint)
}

// slicesOfContent are the documents that hold anything.
func slicesOfContent(file *ast.File) []ast.Node {
	var docs []ast.Node
	for _, d := range file.Docs {
		if d == nil || d.Body == nil {
			continue
		}
		switch d.Body.(type) {
		case *ast.NullNode, *ast.CommentGroupNode:
		default:
			docs = append(docs, d.Body)
		}
	}
	return docs
}

func tokenPlace(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{line: 1, column: 1}
	}
	return place{line: max(t.Position.Line, 1), column: max(t.Position.Column, 1)}
}

// convert turns a node of the library into ours.
func (l *loader) convert(n ast.Node, path string) *node {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		out := &node{}
		if n != nil {
			out.at = tokenPlace(n.GetToken())
		}
		return out
	case *ast.MappingNode:
		out := &node{kind: mappingNode, at: tokenPlace(n.Start), flow: n.IsFlowStyle}
		for _, v := range n.Values {
			l.convertEntry(out, v, path)
		}
		if !out.flow && len(out.entries) > 0 {
			out.at = out.entries[0].at
		}
		return out
	case *ast.MappingValueNode:
		out := &node{kind: mappingNode}
		l.convertEntry(out, n, path)
		out.at = tokenPlace(n.Key.GetToken())
		return out
	case *ast.SequenceNode:
		out := &node{kind: sequenceNode, at: tokenPlace(n.Start), flow: n.IsFlowStyle}
		for i, v := range n.Values {
			if item := joined(v); item != nil && n.IsFlowStyle {
				out.items = append(out.items, item)
				continue
			}
			out.items = append(out.items, l.convert(v, join(path, fmt.Sprint(i))))
		}
		return out
	default:
		return l.convertScalar(n, path)
	}
}

// joined is an item such as host:9092 of a list inside braces, which the library
// takes for a mapping: in YAML a colon without a blank behind it is text.
func joined(n ast.Node) *node {
	m, ok := n.(*ast.MappingNode)
	if !ok || m.IsFlowStyle || len(m.Values) != 1 {
		return nil
	}
	v := m.Values[0]
	key, value := v.Key.GetToken(), v.Value.GetToken()
	if key.Type != token.StringType || v.Start == nil || value.Position.Offset != v.Start.Position.Offset+1 {
		return nil
	}
	return &node{kind: scalarNode, at: tokenPlace(key), text: key.Value + ":" + value.Value, flow: true}
}

func (l *loader) convertEntry(out *node, v *ast.MappingValueNode, path string) {
	key, ok := keyText(v.Key)
	at := tokenPlace(v.Key.GetToken())
	if !ok {
		l.add(path, at, "a key has to be plain text")
		return
	}
	if earlier := out.entry(key); earlier != nil {
		l.add(join(path, key), at, "is there twice, first in line %d; keep one of them", earlier.at.line)
		return
	}
	value := l.convert(v.Value, join(path, key))
	if value.at.line == 0 {
		value.at = at
	}
	if value.kind == scalarNode && value.textAt == value.at.column {
		value.flow = out.flow
	}
	out.entries = append(out.entries, &entry{key: key, at: at, value: value})
}

// keyText is a key as it is written: null, true and 1 are names like others.
func keyText(k ast.MapKeyNode) (string, bool) {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, true
	default:
		return "", false
	}
}

func (l *loader) convertScalar(n ast.Node, path string) *node {
	t := n.GetToken()
	out := &node{kind: scalarNode, at: tokenPlace(t)}
	switch n := n.(type) {
	case *ast.StringNode:
		out.text = n.Value
		out.textAt = textColumn(t, n.Value)
	case *ast.LiteralNode:
		out.text = strings.TrimRight(n.Value.Value, "\n")
	case *ast.IntegerNode:
		out.text, out.scalar, out.textAt = fmt.Sprint(n.Value), intScalar, out.at.column
	case *ast.FloatNode:
		out.text, out.scalar, out.textAt = t.Value, floatScalar, out.at.column
	case *ast.BoolNode:
		out.text, out.scalar, out.textAt = t.Value, boolScalar, out.at.column
	case *ast.InfinityNode, *ast.NanNode:
		out.text, out.scalar = t.Value, floatScalar
	default:
		l.add(path, out.at, "this kind of YAML value is not supported; write plain text, a number, a list or a mapping")
		out.kind = nullNode
	}
	return out
}

// textColumn is the column where the characters of a one-line scalar stand as
// they are, 0 when they do not: escapes, several lines.
func textColumn(t *token.Token, value string) int {
	origin := strings.TrimSpace(t.Origin)
	switch {
	case origin == value:
		return t.Position.Column
	case len(origin) == len(value)+2 && origin[1:len(origin)-1] == value:
		return t.Position.Column + 1
	}
	return 0
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
