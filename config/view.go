package config

import "time"

// view reads settings from a checked tree. What is missing or was wrong reads
// as its default.
type view struct {
	n    *node
	s    *setting
	path string
}

// at is the setting below.
func (v view) at(name string) view {
	return view{n: v.n.find(name), s: v.s.child(name), path: join(v.path, name)}
}

// item is an item of a list.
func (v view) item(i int) view {
	return view{n: v.n.items[i], s: v.s.child("*"), path: join(v.path, itoa(i))}
}

func (v view) items() int {
	if v.n == nil {
		return 0
	}
	return len(v.n.items)
}

// given reports whether the setting is there.
func (v view) given() bool { return v.n != nil && !(v.s.Off && v.n.isEmpty()) }

// place is where the setting stands.
func (v view) place() place {
	if v.n == nil {
		return place{}
	}
	return v.n.at
}

// kind is the alternative of a section with exactly one, or "".
func (v view) kind() string {
	for _, name := range v.s.alternatives() {
		if v.n.entry(name) != nil {
			return name
		}
	}
	return ""
}

func (v view) value() any {
	if v.n != nil && v.n.value != nil {
		return v.n.value
	}
	return v.s.fallback
}

func (v view) text(name string) string {
	s, _ := v.at(name).value().(string)
	return s
}

// names are the texts of a list.
func (v view) names(name string) []string {
	var out []string
	list := v.at(name)
	for i := range list.items() {
		if text, ok := list.n.items[i].value.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

func (v view) flag(name string) bool {
	b, _ := v.at(name).value().(bool)
	return b
}

func (v view) integer(name string) int64 {
	i, _ := v.at(name).value().(int64)
	return i
}

func (v view) duration(name string) time.Duration {
	d, _ := v.at(name).value().(time.Duration)
	return d
}

func (v view) fraction(name string) float64 {
	f, _ := v.at(name).value().(float64)
	return f
}

// pairs calls f with each name and text of a mapping of expressions.
func (v view) pairs(name string, f func(name, text string, n *node)) {
	below := v.n.find(name)
	if below == nil {
		return
	}
	for _, e := range below.entries {
		if e.value.value != nil {
			f(e.key, e.value.text, e.value)
		}
	}
}
