package top

import (
	"strings"
)

// Look is what a terminal can show.
type Look struct {
	// Color allows colours, Unicode characters beyond ASCII.
	Color, Unicode bool
	// Dumb says that the terminal cannot move its cursor: lines are all it has.
	Dumb bool
}

// LookOf tells from the environment (NAME=VALUE) what a terminal can show:
// NO_COLOR and TERM=dumb are heeded, and a locale that is not of UTF-8.
func LookOf(environ []string) Look {
	env := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	dumb := env["TERM"] == "dumb" || env["TERM"] == ""
	locale := env["LANG"]
	for _, name := range []string{"LC_CTYPE", "LC_ALL"} { // the last one wins
		if env[name] != "" {
			locale = env[name]
		}
	}
	locale = strings.ToLower(locale)
	return Look{
		Color:   !dumb && env["NO_COLOR"] == "",
		Unicode: !dumb && (strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")),
		Dumb:    dumb,
	}
}

// tone is what a text means, to be seen by its colour. Whatever a tone says is
// also said in words or marks.
type tone int

const (
	usual tone = iota
	faint
	strong
	good
	warning
	bad
	chosen
)

// sgr are the parameters of "select graphic rendition" by tone: the sixteen
// colours that a user's theme decides on.
var sgr = [...]string{usual: "", faint: "2", strong: "1", good: "32", warning: "33", bad: "1;31", chosen: "7"}

// paint colours a text.
func (l Look) paint(t tone, s string) string {
	if !l.Color || sgr[t] == "" || s == "" {
		return s
	}
	return "\x1b[" + sgr[t] + "m" + s + "\x1b[m"
}

func (l Look) ellipsis() string { return l.either("…", "..") }

// either is the first text where characters beyond ASCII can be shown, else
// the second.
func (l Look) either(unicode, ascii string) string {
	if l.Unicode {
		return unicode
	}
	return ascii
}

// spark draws the last width values as bars, the newest at the right, relative
// to the greatest of them.
func (l Look) spark(values []float64, width int) string {
	bars := []rune(l.either("▁▂▃▄▅▆▇█", "_.-=+*#@"))
	values = values[max(len(values)-width, 0):]
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	for _, v := range values {
		i := 0
		if top > 0 {
			i = int(v / top * float64(len(bars)-1))
		}
		b.WriteRune(bars[min(max(i, 0), len(bars)-1)])
	}
	return strings.Repeat(" ", width-len(values)) + b.String()
}
