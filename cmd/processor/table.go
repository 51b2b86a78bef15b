package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// table is rows of cells, the headings first. The first column and one without
// a heading are flush left, the others flush right.
type table [][]string

func (t table) write(w io.Writer) error {
	width := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range t {
		line := ""
		for i, cell := range row {
			space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 || t[0][i] == "" {
				line += "  " + cell + space
			} else {
				line += "  " + space + cell
			}
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

// dateTime writes a time to the second.
func dateTime(t time.Time) string { return t.UTC().Format(time.DateTime) }

// age writes how long ago something was, to one unit.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s" // another machine's clock
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
