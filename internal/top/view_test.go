package top

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with the file of a name.
func golden(t *testing.T, name, have string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(have), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Errorf("%s has changed (-update takes it over); have\n%s\nwant\n%s", file, have, want)
	}
}

func draw(m *Model) string {
	lines := m.screen()
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestGoldenViews(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {160, 50}} {
		for _, l := range []struct {
			name string
			look Look
		}{{"unicode", Look{Unicode: true}}, {"ascii", Look{}}, {"color", Look{Unicode: true, Color: true}}} {
			name := fmt.Sprintf("%dx%d-%s", size[0], size[1], l.name)
			t.Run(name, func(t *testing.T) {
				m, _ := watching(t, l.look)
				m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
				golden(t, name, draw(m))
			})
		}
	}
	for p := partitionsPanel; p < panels; p++ {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			m, _ := watching(t, Look{})
			m.focus = p
			golden(t, fmt.Sprintf("80x24-panel%d", p+1), draw(m))
		})
	}
}

// TestViewsFit draws at every size: a line too long would wrap, one too many
// scroll.
func TestViewsFit(t *testing.T) {
	for _, l := range []Look{{}, {Unicode: true, Color: true}} {
		m, _ := watching(t, l)
		m.filter = ""
		for _, set := range []func(){func() {}, func() { m.help = true }, func() { m.help, m.typing = false, true }, func() { m.status = nil }} {
			set()
			for p := range panels {
				m.focus = p
				for _, width := range []int{1, 2, 5, 13, 20, 39, 79, 80, 81, 139, 140, 163, 250} {
					for _, height := range []int{1, 2, 3, 5, 9, 24, 31, 80} {
						m.Update(tea.WindowSizeMsg{Width: width, Height: height})
						lines := m.screen()
						if len(lines) != height {
							t.Fatalf("%d by %d: %d lines", width, height, len(lines))
						}
						for _, line := range lines {
							if w := ansi.StringWidth(line); w > width {
								t.Fatalf("%d by %d: a line of %d: %q", width, height, w, line)
							}
						}
					}
				}
			}
		}
	}
}

func TestASCIIIsASCII(t *testing.T) {
	m, _ := watching(t, Look{})
	s := hostileStatus()
	m.status = &s
	for _, size := range [][2]int{{80, 24}, {200, 60}} {
		m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for _, r := range draw(m) {
			if r != '\n' && (r < ' ' || r > '~') {
				t.Fatalf("%q is not printable ASCII", r)
			}
		}
	}
}

func TestTheSelectedRowStaysInSight(t *testing.T) {
	m, _ := watching(t, Look{})
	s := fakeStatus(1)
	p := s.Partitions[0]
	s.Partitions = nil
	for i := range 500 {
		p.Name = fmt.Sprintf("events/%d", i)
		s.Partitions = append(s.Partitions, p)
	}
	m.status, m.focus = &s, partitionsPanel
	for _, i := range []int{0, 250, 499} {
		m.chosen[partitionsPanel] = i
		if have := draw(m); !strings.Contains(have, fmt.Sprintf("> events/%d ", i)) {
			t.Errorf("row %d is not there:\n%s", i, have)
		}
	}
}
