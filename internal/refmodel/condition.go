package refmodel

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/llm-optimizer/processor/event"
)

// condition is a filter over an event's fields.
type condition func(fields map[string]event.Value) bool

var comparison = regexp.MustCompile(`^([A-Za-z_][\w.]*)\s*(==|!=|<=|>=|<|>)\s*(.+)$`)

// parseCondition understands comparisons of a field with a literal, joined by
// "&&". Empty is true.
func parseCondition(text string) (condition, error) {
	if strings.TrimSpace(text) == "" {
		return func(map[string]event.Value) bool { return true }, nil
	}
	var all []condition
	for part := range strings.SplitSeq(text, "&&") {
		c, err := parseComparison(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return func(fields map[string]event.Value) bool {
		for _, c := range all {
			if !c(fields) {
				return false
			}
		}
		return true
	}, nil
}

func parseComparison(text string) (condition, error) {
	m := comparison.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("condition %q is not FIELD OP LITERAL", text)
	}
	field, op := m[1], m[2]
	literal, err := parseLiteral(m[3])
	if err != nil {
		return nil, fmt.Errorf("condition %q: %w", text, err)
	}
	return func(fields map[string]event.Value) bool { return compare(fields[field], op, literal) }, nil
}

func parseLiteral(text string) (event.Value, error) {
	switch text {
	case "null":
		return event.Value{}, nil
	case "true", "false":
		return event.Bool(text == "true"), nil
	}
	if s, err := strconv.Unquote(text); err == nil {
		return event.Text(s), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return event.Value{}, fmt.Errorf("literal %s is no string, number, boolean or null", text)
	}
	return event.Float(f), nil
}

// compare: "a comparison with null is false, `field == null` asks"; "a
// comparison of unlike types is false".
func compare(v event.Value, op string, literal event.Value) bool {
	if literal.Kind == event.Null {
		return (op == "==" && v.Kind == event.Null) || (op == "!=" && v.Kind != event.Null)
	}
	var order int
	switch {
	case v.Kind.IsNumber() && literal.Kind.IsNumber():
		order = cmp(v.Num, literal.Num)
	case v.Kind == event.String && literal.Kind == event.String:
		order = strings.Compare(v.Str, literal.Str)
	case isBool(v) && isBool(literal):
		return (op == "==" && v.Kind == literal.Kind) || (op == "!=" && v.Kind != literal.Kind)
	default:
		return false
	}
	switch op {
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	default:
		return order >= 0
	}
}

func isBool(v event.Value) bool { return v.Kind == event.True || v.Kind == event.False }

func cmp(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}
