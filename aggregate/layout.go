package aggregate

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/llm-optimizer/processor/event"
)

// Input says where an aggregate's argument and its filter are among the
// columns given to Update. A row passes a filter whose Kind is event.True. -1
// stands for none.
type Input struct{ Column, Where int }

// layout is the plan of a Composite: which states there are and what each
// aggregate reads of them. It is shared by clones and never changes.
type layout struct {
	outputs []output
	states  []stateSpec
	// filters are the columns that restrict rows, -1 for no restriction;
	// states with one filter lie together.
	filters []filter
}

// output is one aggregate: what to compute from which state.
type output struct {
	spec  Spec
	fn    function
	param float64
	// state is the place in layout.states; -1 reads the number of rows.
	state int
}

// stateSpec is one state: what it keeps of which columns.
type stateSpec struct {
	family family
	Input
	// boolean belongs to counters, k to top-k, custom to custom states.
	boolean bool
	k       int
	custom  Custom
	users   []int
}

// filter is a run of states that read the same rows.
type filter struct{ column, from, to int }

func newLayout(specs []Spec, inputs []Input) (*layout, error) {
	if len(specs) != len(inputs) {
		return nil, fmt.Errorf("%d aggregates with %d inputs: one is needed for each", len(specs), len(inputs))
	}
	l := &layout{outputs: make([]output, len(specs))}
	for i, s := range specs {
		if err := checkInput(s, inputs[i]); err != nil {
			return nil, fmt.Errorf("aggregate %s: %w", s.Name, err)
		}
		fn, _ := s.function()
		l.outputs[i] = output{spec: s, fn: fn, param: s.Param, state: -1}
	}
	for i := range specs {
		l.place(i, inputs)
	}
	l.sortByFilter()
	return l, nil
}

func checkInput(s Spec, in Input) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if (s.Arg != "") != (in.Column >= 0) {
		return fmt.Errorf("%s has column %d for its argument", s, in.Column)
	}
	if (s.Where != "") != (in.Where >= 0) {
		return fmt.Errorf("%s has column %d for its filter", s, in.Where)
	}
	return nil
}

// place finds or makes the state that serves output i.
func (l *layout) place(i int, inputs []Input) {
	o := &l.outputs[i]
	want := stateSpec{family: l.familyOf(i, inputs), Input: inputs[i], boolean: o.spec.Boolean, custom: o.spec.Custom}
	if want.family == famEvents {
		return
	}
	if want.family == famTopK {
		want.k = int(o.param)
	}
	for at := range l.states {
		if st := &l.states[at]; st.serves(&want) {
			st.k = max(st.k, want.k)
			st.users = append(st.users, i)
			o.state = at
			return
		}
	}
	want.users = []int{i}
	o.state = len(l.states)
	l.states = append(l.states, want)
}

// serves reports whether the state keeps what want asks for. Custom
// accumulators are never shared: nobody knows whether they are the same.
func (st *stateSpec) serves(want *stateSpec) bool {
	return st.family == want.family && st.Input == want.Input && st.boolean == want.boolean && st.family != famCustom
}

// familyOf is the family that serves output i, given what else reads its
// column: a count is a part of sums, and sums are a part of moments. Sharing
// a count relies on the column holding nothing but numbers and nulls, which
// the others demand.
func (l *layout) familyOf(i int, inputs []Input) family {
	o := &l.outputs[i]
	f := functions[o.fn].family
	if f == famCounter && inputs[i].Column < 0 && inputs[i].Where < 0 {
		return famEvents
	}
	if f != famCounter && f != famSums || o.spec.Boolean || inputs[i].Column < 0 {
		return f
	}
	for j := range l.outputs {
		if other := functions[l.outputs[j].fn].family; inputs[j] == inputs[i] &&
			(other == famSums || other == famMoments) {
			f = max(f, other)
		}
	}
	return f
}

// sortByFilter brings states with one filter together and cuts the runs.
func (l *layout) sortByFilter() {
	sorted := make([]stateSpec, 0, len(l.states))
	for at := range l.states {
		where := l.states[at].Where
		if l.runOf(where) >= 0 {
			continue
		}
		from := len(sorted)
		for _, st := range l.states {
			if st.Where == where {
				sorted = append(sorted, st)
			}
		}
		l.filters = append(l.filters, filter{where, from, len(sorted)})
	}
	l.states = sorted
	for at := range l.states {
		for _, i := range l.states[at].users {
			l.outputs[i].state = at
		}
	}
}

func (l *layout) runOf(where int) int {
	for i, f := range l.filters {
		if f.column == where {
			return i
		}
	}
	return -1
}

// newStates makes empty states for the layout.
func (l *layout) newStates() []state {
	states := make([]state, len(l.states))
	for i := range l.states {
		states[i] = l.states[i].newState()
	}
	return states
}

func (st *stateSpec) newState() state {
	switch st.family {
	case famSums:
		return &sumsState{}
	case famMoments:
		return &momentsState{}
	case famSketch:
		return &sketchState{}
	case famDistinct:
		return &distinctState{}
	case famFirst, famLast:
		return &edgeState{last: st.family == famLast}
	case famTopK:
		return newTopState(st.k)
	case famCustom:
		return &customState{custom: st.custom}
	default:
		return &counterState{boolean: st.boolean}
	}
}

// familyNames are what Describe calls the states.
var familyNames = [...]string{
	famEvents: "events", famCounter: "counter", famSums: "sums", famMoments: "moments", famSketch: "percentiles",
	famDistinct: "distinct", famFirst: "first", famLast: "last", famTopK: "top_k", famCustom: "custom",
}

// describe is the state and what reads it, as one line.
func (l *layout) describe(at int) string {
	st := &l.states[at]
	spec := l.outputs[st.users[0]].spec
	out := familyNames[st.family] + "(" + spec.Arg + ")"
	if spec.Where != "" {
		out += " where " + spec.Where
	}
	return out + ": " + l.list(at)
}

// list names the functions that read a state, once each.
func (l *layout) list(at int) string {
	var names []string
	seen := map[string]bool{}
	for i := range l.outputs {
		if o := &l.outputs[i]; o.state == at && !seen[o.label()] {
			seen[o.label()] = true
			names = append(names, o.label())
		}
	}
	return strings.Join(names, ", ")
}

// label is the function as short as it can be told.
func (o *output) label() string {
	switch o.fn {
	case fnPercentile:
		return "p" + strconv.FormatFloat(o.param, 'g', -1, 64)
	case fnTopK:
		return "top " + strconv.Itoa(int(o.param))
	case fnCustom:
		return o.spec.Name
	default:
		return o.spec.Func
	}
}

// count turns a number of rows into what the output asks for: itself, or the
// rate per second.
func (o *output) count(n int64, w Window) event.Value {
	if o.fn != fnRate {
		return event.Int(n)
	}
	if !(w.Seconds > 0) {
		return event.Value{}
	}
	return event.Float(float64(n) / w.Seconds)
}
