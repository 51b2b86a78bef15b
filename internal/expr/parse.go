package expr

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/parser/lexer"

	"github.com/llm-optimizer/processor/event"
)

const (
	// maxLength bounds an expression, in characters.
	maxLength = 10_000
	// maxDepth bounds the nesting of operands; chains such as a + b + c are
	// as long as they like.
	maxDepth = 100
)

// Parse reads an expression. The error is an *Error.
func Parse(src string) (*Expr, error) {
	tokens, err := scan(src)
	if err != nil {
		return nil, err
	}
	return parse(src, tokens)
}

// parse is Parse when the tokens are known.
func parse(src string, tokens []lexer.Token) (*Expr, error) {
	if len(tokens) <= 1 {
		return nil, errorAt(src, len(src), "the expression is empty: write a field or a comparison, such as latency_ms > 0")
	}
	for i, t := range tokens {
		if why := refused(tokens, i); why != "" {
			return nil, errorAt(src, t.From, "%s", why)
		}
	}
	tree, err := parser.ParseWithConfig(src, config)
	if err != nil {
		return nil, explain(src, tokens, err)
	}
	c := converter{src: src, tokens: tokens}
	root, err := c.node(tree.Node, 0)
	if err != nil {
		return nil, err
	}
	return newExpr(root), nil
}

// config makes every call a plain one: the library's own functions, which
// would parse their arguments in ways of their own, are overridden. It is
// read only.
var config = func() *conf.Config {
	c := &conf.Config{MaxNodes: maxLength, DisableIfOperator: true, Functions: conf.FunctionsTable{}}
	for _, f := range builtin.Builtins {
		c.Functions[f.Name] = f
	}
	return c
}()

// scan splits a text into tokens; the last one is the end.
func scan(src string) ([]lexer.Token, error) {
	if !utf8.ValidString(src) {
		return nil, &Error{Line: 1, Column: 1, Message: "the expression is not valid UTF-8: save the file as UTF-8"}
	}
	if n := utf8.RuneCountInString(src); n > maxLength {
		return nil, errorAt(src, maxLength, "the expression has %d characters, at most %d are allowed: "+
			"split it with computed fields", n, maxLength)
	}
	tokens, err := lexer.Lex(file.NewSource(src))
	if err != nil {
		return nil, explain(src, nil, err)
	}
	return tokens, nil
}

// unsupported are tokens of the library's language that this one leaves out.
var unsupported = map[string]string{
	"|":   "pipes are not supported: write function(argument), or || for a logical or",
	"?.":  "?. is not needed, a missing field is null: write a dot",
	"..":  "ranges are not supported: write x >= 1 && x <= 5",
	"::":  ":: is not supported: write function(argument)",
	"#":   "closures are not supported: an expression reads the fields of one event",
	";":   "an expression has one part: remove the semicolon",
	"{":   "braces are not supported: write cond ? a : b to choose; objects and closures there are none",
	"let": `let is not supported: use a computed field, or write $env["let"] for a field of that name`,
}

// refused says why token i is not allowed; empty when it may be.
func refused(tokens []lexer.Token, i int) string {
	switch t := tokens[i]; t.Kind {
	case lexer.Bytes:
		return "bytes literals are not supported: remove the b before the quote"
	case lexer.Operator, lexer.Bracket:
		if i > 0 && tokens[i-1].Is(lexer.Operator, ".") {
			return "" // a name, such as metadata.let
		}
		return unsupported[t.Value]
	default:
		return ""
	}
}

// explain turns an error of the library into one that says what to do.
func explain(src string, tokens []lexer.Token, err error) error {
	var e *file.Error
	if !errors.As(err, &e) {
		return errorAt(src, 0, "%v", err)
	}
	message, at := e.Message, e.From
	switch {
	case strings.HasPrefix(message, "unexpected token EOF") || message == "unexpected end of expression":
		return errorAt(src, utf8.RuneCountInString(src), "the expression ends too early: something is missing")
	case strings.HasPrefix(message, "unexpected token"):
		i := slices.IndexFunc(tokens, func(t lexer.Token) bool { return t.From >= e.From })
		return unexpected(src, tokens, i)
	case message == "literal not terminated":
		message = "the string is not closed: add the missing quote"
	case message == "invalid char escape" || strings.HasPrefix(message, "unable to unescape"):
		message = `unknown escape in a string: write \\ for a backslash`
	case message == "expected name":
		message = `a name must follow the dot: write a.b, or a["odd name"]`
		at = lastBefore(tokens, at, lexer.Operator)
	case strings.HasPrefix(message, "unrecognized character"):
		message += `: put text in quotes, and odd field names as $env["name"]`
	case strings.HasPrefix(message, "invalid integer literal"):
		message = fmt.Sprintf("the integer does not fit: at most %d; write a larger number with a fraction or exponent", int64(math.MaxInt64))
		at = lastBefore(tokens, at, lexer.Number)
	case strings.HasPrefix(message, "invalid float literal"):
		message = "the number is too large or malformed: write a decimal number such as 1.5e3"
		at = lastBefore(tokens, at, lexer.Number)
	case strings.Contains(message, "cannot be mixed"):
		message = "?? cannot stand beside another operator without parentheses: write coalesce(a, b)"
	}
	return errorAt(src, at, "%s", message)
}

// lastBefore is where the last token of a kind begins that does not begin
// after at: the library points behind some of its mistakes.
func lastBefore(tokens []lexer.Token, at int, kind lexer.Kind) int {
	for _, t := range slices.Backward(tokens) {
		if t.Kind == kind && t.From <= at {
			return t.From
		}
	}
	return at
}

// instead are hints for what people write by habits of other languages.
var instead = map[string]string{
	"=": "use == to compare", "&": "use && for a logical and", "AND": "use && or and", "OR": "use || or or",
	"NOT": "use ! or not", "IN": "use in", "IS": "use == null to ask for a missing value", "is": "use == null to ask for a missing value",
	"LIKE": "use contains, startsWith, endsWith or matches", "like": "use contains, startsWith, endsWith or matches",
	"between": "write x >= 1 && x <= 5", "BETWEEN": "write x >= 1 && x <= 5", ">": "use != for unequal",
}

// unexpected is the error for a token where the grammar has no place for it.
func unexpected(src string, tokens []lexer.Token, i int) error {
	t := tokens[i]
	if t.Kind == lexer.Operator && keywords[t.Value] {
		return errorAt(src, t.From, "unexpected %s: it needs something on both sides; a field of that name is written %s[%q]", t.Value, root, t.Value)
	}
	hint := instead[t.Value]
	if t.Value == ">" && (i == 0 || !tokens[i-1].Is(lexer.Operator, "<")) {
		hint = ""
	}
	if hint == "" {
		hint = "an operator or a bracket is missing before it, or it is too much"
	}
	return errorAt(src, t.From, "unexpected %s: %s", tokenText(t), hint)
}

func tokenText(t lexer.Token) string {
	if t.Kind == lexer.String {
		return string(event.AppendString(nil, t.Value))
	}
	return t.Value
}
