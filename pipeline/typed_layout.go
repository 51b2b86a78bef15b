package pipeline

import (
	"fmt"
	"slices"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/expr"
	"github.com/llm-optimizer/processor/query"
)

// layout is how the declared fields stand in the JSON object of an event: a
// path of several names is an object in the object.
type layout struct {
	// paths and names are those of the fields, in the order of declaration.
	paths [][]string
	names []string
	// order is the order of the fields in the JSON; before[i] stands before
	// the value of order[i], after behind the last one.
	order  []int
	before []string
	after  string

	problems []Problem
}

// branch is a name in the object: a field, or an object of more.
type branch struct {
	name  string
	field int // -1: none
	kids  []*branch
}

func layoutOf[T any](fields []TypedField[T]) layout {
	var l layout
	root := &branch{field: -1}
	for i, f := range fields {
		at, path := "source."+f.name, pathOf(f.name)
		l.paths = append(l.paths, path)
		l.names = append(l.names, expr.FormatPath(path))
		if p := query.CheckField(at, f.name); p != nil {
			l.problems = append(l.problems, Problem(*p))
		} else if err := root.put(path, i); err != nil {
			l.problems = append(l.problems, Problem{Path: at, Message: err.Error()})
		}
	}
	l.after = string(l.object(root, nil))
	return l
}

// put gives a field its place.
func (b *branch) put(path []string, field int) error {
	for _, name := range path {
		if b.field >= 0 {
			return fmt.Errorf("lies within another field, which is a value: declare only one of them")
		}
		i := slices.IndexFunc(b.kids, func(k *branch) bool { return k.name == name })
		if i < 0 {
			i = len(b.kids)
			b.kids = append(b.kids, &branch{name: name, field: -1})
		}
		b = b.kids[i]
	}
	if b.field >= 0 || len(b.kids) > 0 {
		return fmt.Errorf("is declared already, or fields within it are: declare it once")
	}
	b.field = field
	return nil
}

// object appends the text of an object to what stands before the next value,
// and returns what stands behind the last one.
func (l *layout) object(b *branch, text []byte) []byte {
	text = append(text, '{')
	for i, k := range b.kids {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(event.AppendString(text, k.name), ':')
		if k.field < 0 {
			text = l.object(k, text)
			continue
		}
		l.order = append(l.order, k.field)
		l.before = append(l.before, string(text))
		text = text[:0]
	}
	return append(text, '}')
}
