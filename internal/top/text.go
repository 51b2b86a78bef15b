package top

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

const (
	// maxText is how many runes of one text are looked at; more never fits.
	maxText = 2000
	// maxMarks is how many combining marks may sit on one letter. A pile of
	// them reaches into the lines above.
	maxMarks = 2
	// leftToRight is the mark that keeps what comes after a text from right to
	// left, such as the numbers of the next column, in its place.
	leftToRight = "\u200e"
)

// clean makes a text from outside harmless to draw: names, keys and errors may
// hold anything. Control and format characters (escape sequences, changes of
// direction, invisible ones) become a visible replacement, white space a
// space; text from right to left is shut in.
func (l Look) clean(s string) string {
	if isPlain(s) {
		return s
	}
	replacement := "\ufffd"
	if !l.Unicode {
		replacement = "?"
	}
	var b strings.Builder
	runes, marks, turned := 0, 0, false
	for _, r := range s {
		if runes++; runes > maxText {
			b.WriteString(l.ellipsis())
			break
		}
		if unicode.In(r, unicode.Mn, unicode.Me) {
			if marks++; marks > maxMarks || unicode.Is(unicode.Variation_Selector, r) || !l.Unicode {
				continue
			}
		} else {
			marks = 0
		}
		switch {
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r == '\n' || r == '\t' || r == '\r' || unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		case !l.Unicode || !drawable(r):
			b.WriteString(replacement)
		default:
			turned = turned || rightToLeft(r)
			b.WriteRune(r)
		}
	}
	if turned {
		return leftToRight + b.String() + leftToRight
	}
	return b.String()
}

// isPlain reports whether a text is of printable ASCII alone, as almost all are.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= maxText
}

// drawable reports whether a rune is something to see. Graphic leaves out
// control and format characters, surrogates, private use and what is not
// assigned; line separators count as graphic.
func drawable(r rune) bool {
	switch {
	case r == utf8.RuneError:
		return true // has been replaced already
	case unicode.In(r, unicode.Zl, unicode.Zp):
		return false
	// Letters that are blank, and tags and skin tones that join what stands
	// before them: terminals disagree on how wide they are.
	case r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0, r == 0x2800, r >= 0x1f3fb && r <= 0x1f3ff:
		return false
	default:
		return unicode.IsGraphic(r)
	}
}

// rightToLeft reports whether a rune is in a block whose letters are written
// from right to left.
func rightToLeft(r rune) bool {
	return r >= 0x0590 && r <= 0x08ff || r >= 0xfb1d && r <= 0xfdff || r >= 0xfe70 && r <= 0xfeff ||
		r >= 0x10800 && r <= 0x10fff || r >= 0x1e800 && r <= 0x1efff
}

// widthOf is how many columns a clean text takes.
func widthOf(s string) int {
	if isPlain(s) {
		return len(s)
	}
	width := 0
	for _, r := range s {
		width += runeWidth(r)
	}
	return width
}

// runeWidth is how many columns a rune takes by itself. What joins with others
// into one picture does not get past clean, so widths add up.
func runeWidth(r rune) int {
	if r >= ' ' && r <= '~' {
		return 1
	}
	return ansi.StringWidth(string(r))
}

// clip cuts a clean text to a width, with a mark where something is missing.
func (l Look) clip(s string, width int) string {
	if widthOf(s) <= width {
		return s
	}
	dots := l.ellipsis()
	room := width - len([]rune(dots))
	if room < 0 {
		return strings.Repeat(".", max(width, 0))
	}
	used, turned := 0, false
	var b strings.Builder
	for _, r := range s {
		w := runeWidth(r)
		if used+w > room {
			break
		}
		used += w
		turned = turned || rightToLeft(r)
		b.WriteRune(r)
	}
	if turned {
		b.WriteString(leftToRight)
	}
	return b.String() + dots
}

// clipFront is clip for a text whose end is to stay.
func (l Look) clipFront(s string, width int) string {
	runes := []rune(s)
	room := width - len([]rune(l.ellipsis()))
	if widthOf(s) <= width || room < 0 {
		return l.clip(s, width)
	}
	used, from := 0, len(runes)
	for from > 0 && used+runeWidth(runes[from-1]) <= room {
		from--
		used += runeWidth(runes[from])
	}
	cut := string(runes[from:])
	if strings.ContainsFunc(cut, rightToLeft) {
		cut = leftToRight + cut
	}
	return l.ellipsis() + cut
}

// pad fills a clean text with spaces up to a width, behind it or, if right is
// set, before it; what is too long is clipped.
func (l Look) pad(s string, width int, right bool) string {
	s = l.clip(s, width)
	space := strings.Repeat(" ", max(width-widthOf(s), 0))
	if right {
		return space + s
	}
	return s + space
}

// wrap breaks a clean text into lines at spaces; a word longer than a line is
// clipped.
func (l Look) wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case widthOf(line)+1+widthOf(word) <= width:
			line += " " + word
		default:
			lines = append(lines, l.clip(line, width))
			line = word
		}
	}
	if line != "" {
		lines = append(lines, l.clip(line, width))
	}
	return lines
}
