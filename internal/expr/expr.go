package expr

import "slices"

// Expr is a parsed expression. It is immutable and safe for concurrent use.
type Expr struct {
	root   *node
	text   string
	fields [][]string
}

func newExpr(root *node) *Expr {
	e := &Expr{root: root, text: format(root)}
	walk(root, Use{}, func(path []string, _ Use) {
		if e.index(path) < 0 {
			e.fields = append(e.fields, path)
		}
	})
	return e
}

// String is the expression in canonical text: expressions that differ only in
// spacing, parentheses, quotes, synonyms (and for &&, nil for null, ?? for
// coalesce) have the same. It parses to an equal expression.
func (e *Expr) String() string { return e.text }

// Fields are the distinct paths that the expression reads, in the order of
// their first use. The caller must not change them.
func (e *Expr) Fields() [][]string { return e.fields }

// IsPath reports whether the expression is just a field, and which.
func (e *Expr) IsPath() ([]string, bool) {
	return e.root.path, e.root.op == opField
}

// IsBoolean reports whether the expression is a condition: a comparison, &&,
// ||, !, true, false, or a choice among such. A field that may hold a bool is
// not.
func (e *Expr) IsBoolean() bool { return e.root.static() == boolType }

// CanBeTrue reports whether the expression can be true at all: a number or a
// text, as computed by arithmetic or written out, never is.
func (e *Expr) CanBeTrue() bool {
	t := e.root.static()
	return t == boolType || t == anyType
}

// Uses is what each of Fields must have when the expression's result is
// wanted for want, in the same order.
func (e *Expr) Uses(want Use) []Use {
	uses := make([]Use, len(e.fields))
	walk(e.root, want, func(path []string, u Use) {
		i := e.index(path)
		uses[i] = uses[i].Or(u)
	})
	return uses
}

func (e *Expr) index(path []string) int {
	return slices.IndexFunc(e.fields, func(p []string) bool { return slices.Equal(p, path) })
}

// walk visits every field with what is read of it.
func walk(n *node, want Use, visit func(path []string, u Use)) {
	if n.op == opField {
		visit(n.path, want)
		return
	}
	for i, arg := range n.args {
		walk(arg, n.argUse(i, want), visit)
	}
}
