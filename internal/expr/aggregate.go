package expr

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/parser/lexer"

	"github.com/llm-optimizer/processor/event"
)

// Aggregate is one aggregate of a query: p95(latency_ms) where status == "ok".
type Aggregate struct {
	// Func is the function's name; p95 and the like are percentile.
	Func string
	// Arg is what it reads, nil for count() and rate(); ArgText is the same
	// as it was written.
	Arg     *Expr
	ArgText string
	// Params are what follows the argument: the p of a percentile (0 to 100),
	// the k of a top_k (1 or more).
	Params []float64
	// Where restricts the rows, nil means all; WhereText is the same as it
	// was written.
	Where     *Expr
	WhereText string
}

// signature is what an aggregate takes: an argument or, for count, perhaps
// one; numbers only; and a parameter.
type signature struct {
	arg     argument
	numeric bool
	param   string
}

type argument uint8

const (
	noArgument argument = iota
	maybeArgument
	oneArgument
)

var aggregates = map[string]signature{
	"count":       {arg: maybeArgument},
	"rate":        {arg: noArgument},
	"sum":         {arg: oneArgument, numeric: true},
	"avg":         {arg: oneArgument, numeric: true},
	"min":         {arg: oneArgument, numeric: true},
	"max":         {arg: oneArgument, numeric: true},
	"stddev":      {arg: oneArgument, numeric: true},
	"stddev_samp": {arg: oneArgument, numeric: true},
	"variance":    {arg: oneArgument, numeric: true},
	"var_samp":    {arg: oneArgument, numeric: true},
	"percentile":  {arg: oneArgument, numeric: true, param: "a number from 0 to 100"},
	"distinct":    {arg: oneArgument},
	"first":       {arg: oneArgument},
	"last":        {arg: oneArgument},
	"top_k":       {arg: oneArgument, param: "a whole number from 1"},
}

// ParseAggregate reads an aggregate: a function with a field or expression,
// optionally followed by where and a condition. The error is an *Error whose
// place counts from the beginning of text.
func ParseAggregate(text string) (Aggregate, error) {
	tokens, err := scan(text)
	if err != nil {
		return Aggregate{}, err
	}
	p := aggregateParser{text: text, tokens: tokens}
	return p.parse()
}

type aggregateParser struct {
	text   string
	tokens []lexer.Token
}

func (p *aggregateParser) errorf(t lexer.Token, format string, args ...any) error {
	at := t.From
	if t.Kind == lexer.EOF {
		at = len(p.text)
	}
	return errorAt(p.text, at, format, args...)
}

func (p *aggregateParser) parse() (Aggregate, error) {
	name, open := p.name()
	first := p.tokens[0]
	if first.Kind == lexer.EOF {
		return Aggregate{}, p.errorf(first, "the aggregate is empty: write count(), or a function of a field such as sum(cost)")
	}
	sig, known := aggregates[name]
	if !known && !isPercentile(name) {
		return Aggregate{}, p.errorf(first, "unknown aggregate %s: the aggregates are %s", name, aggregateList)
	}
	if !p.tokens[open].Is(lexer.Bracket, "(") {
		return Aggregate{}, p.errorf(p.tokens[open], "a bracket must follow the aggregate's name: write %s(…)", name)
	}
	a := Aggregate{Func: name}
	if !known {
		percent, err := strconv.ParseFloat(name[1:], 64)
		if err != nil || percent > 100 {
			return Aggregate{}, p.errorf(first, "%s is no percentile: write p0 to p100, with a fraction as in p99.9", name)
		}
		a.Func, a.Params = "percentile", []float64{percent}
		sig = signature{arg: oneArgument, numeric: true}
	}
	args, end, err := p.arguments(open)
	if err != nil {
		return Aggregate{}, err
	}
	if err := p.fill(&a, name, sig, args); err != nil {
		return Aggregate{}, err
	}
	err = p.where(&a, end+1)
	return a, err
}

// aggregateList is the names for messages.
var aggregateList = strings.Join(slices.Sorted(maps.Keys(aggregates)), ", ") + ", p50 … p99.9"

// name is the function's, and the number of the token after it. A percentile
// with a fraction is two tokens, p99 and .9.
func (p *aggregateParser) name() (string, int) {
	name := p.tokens[0].Value
	if len(p.tokens) < 2 {
		return name, 0
	}
	next := p.tokens[1]
	if isPercentile(name) && next.Kind == lexer.Number && next.Value[0] == '.' && next.From == p.tokens[0].To {
		return name + next.Value, 2
	}
	return name, 1
}

// isPercentile reports whether a name is p and digits, with or without a
// fraction.
func isPercentile(name string) bool {
	digits, ok := strings.CutPrefix(name, "p")
	whole, fraction, dot := strings.Cut(digits, ".")
	return ok && isDigits(whole) && (!dot || isDigits(fraction))
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// span is tokens[from:to].
type span struct{ from, to int }

// arguments are the parts between the brackets; end is the closing one.
func (p *aggregateParser) arguments(open int) (args []span, end int, err error) {
	depth, from := 0, open+1
	for i := open; i < len(p.tokens); i++ {
		t := p.tokens[i]
		switch {
		case t.Is(lexer.Bracket, "(", "[", "{"):
			depth++
		case t.Kind == lexer.Bracket:
			depth--
		}
		if depth == 1 && t.Is(lexer.Operator, ",") {
			args = append(args, span{from, i})
			from = i + 1
		}
		if depth == 0 {
			if i > from || len(args) > 0 {
				args = append(args, span{from, i})
			}
			return args, i, nil
		}
	}
	return nil, 0, p.errorf(p.tokens[open], "the bracket is not closed: add the missing )")
}

// fill parses the arguments as the signature has them.
func (p *aggregateParser) fill(a *Aggregate, name string, sig signature, args []span) error {
	want := int(min(sig.arg, 1))
	if sig.param != "" {
		want++
	}
	if len(args) == 1 && p.text[byteOffset(p.text, p.tokens[args[0].from].From)] == '*' {
		return p.errorf(p.tokens[args[0].from], "* is no field: write count() to count rows")
	}
	if len(args) != want && !(sig.arg == maybeArgument && len(args) == 0) {
		return p.errorf(p.tokens[0], "%s takes %s", name, sig.takes())
	}
	if len(args) == 0 {
		return nil
	}
	var err error
	if a.Arg, a.ArgText, err = p.expression(args[0]); err != nil {
		return err
	}
	if sig.numeric && (a.Arg.IsBoolean() || a.Arg.root.static() == textType) {
		return p.errorf(p.tokens[args[0].from], "%s takes numbers, which %s is not; count(…) counts the rows where a condition is true",
			name, a.ArgText)
	}
	if sig.param == "" {
		return nil
	}
	param, _, err := p.expression(args[1])
	if err != nil {
		return err
	}
	v := param.root.lit
	if param.root.op != opLiteral || v.Kind != event.Number || !validParam(a.Func, v.Num) {
		return p.errorf(p.tokens[args[1].from], "%s takes %s", name, sig.takes())
	}
	a.Params = []float64{v.Num}
	return nil
}

func validParam(fn string, v float64) bool {
	if fn == "percentile" {
		return v >= 0 && v <= 100
	}
	return v >= 1 && v == math.Trunc(v)
}

func (s signature) takes() string {
	switch {
	case s.param != "":
		return "a field or expression and " + s.param
	case s.arg == noArgument:
		return "no argument"
	case s.arg == maybeArgument:
		return "no argument, or a field, or a condition"
	default:
		return "one field or expression"
	}
}

// where parses what follows the brackets.
func (p *aggregateParser) where(a *Aggregate, from int) error {
	t := p.tokens[from]
	if t.Kind == lexer.EOF {
		return nil
	}
	if !t.Is(lexer.Identifier, "where") {
		return p.errorf(t, "unexpected %s: only where and a condition may follow an aggregate", tokenText(t))
	}
	var err error
	a.Where, a.WhereText, err = p.expression(span{from + 1, len(p.tokens) - 1})
	return err
}

// expression parses some of the tokens. What stands before them is blanked,
// so that places in errors count from the beginning of the whole text.
func (p *aggregateParser) expression(s span) (*Expr, string, error) {
	if s.from >= s.to {
		return nil, "", p.errorf(p.tokens[s.from], "an expression is missing here")
	}
	from := byteOffset(p.text, p.tokens[s.from].From)
	to := byteOffset(p.text, p.tokens[s.to-1].To)
	blank := strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return ' '
	}, p.text[:from])
	tokens := slices.Clone(p.tokens[s.from:s.to])
	e, err := parse(blank+p.text[from:to], append(tokens, lexer.Token{Kind: lexer.EOF}))
	return e, p.text[from:to], err
}
