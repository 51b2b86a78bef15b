package top

import (
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// Update takes an answer, a key or a new size.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var next tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		next = m.press(msg)
	case tea.PasteMsg:
		if m.typing {
			m.filter += msg.Content
		}
	case answer:
		// There is always one round under way or one wait, also while paused.
		if !m.paused {
			m.take(msg)
		}
		next = m.wait()
	case rowsAnswer:
		m.takeRows(msg)
	case due:
		if next = m.ask(); m.paused {
			next = m.wait()
		}
	}
	return m, next
}

// press answers a key.
func (m *Model) press(key tea.KeyPressMsg) tea.Cmd {
	name := key.String()
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case name == "ctrl+z":
		return tea.Suspend
	case m.typing:
		return m.choosing(func() { m.typeFilter(name, key.Text) })
	case m.help:
		m.help = false
		if name == "q" {
			return tea.Quit
		}
		return nil
	}
	switch name {
	case "q":
		return tea.Quit
	case "?", "h":
		m.help = true
	case "/":
		m.typing = true
	case "esc":
		return m.choosing(func() { m.filter = "" })
	case "p", "space":
		m.paused, m.stood = !m.paused, m.Now()
	case "tab", "right":
		m.focus = (m.focus + 1) % panels
	case "shift+tab", "left":
		m.focus = (m.focus + panels - 1) % panels
	case "1", "2", "3", "4", "5":
		m.focus = panel(name[0] - '1')
	case "up", "k":
		return m.choosing(func() { m.move(-1) })
	case "down", "j":
		return m.choosing(func() { m.move(1) })
	case "pgup":
		return m.choosing(func() { m.move(-10) })
	case "pgdown":
		return m.choosing(func() { m.move(10) })
	case "home", "g":
		return m.choosing(func() { m.chosen[m.focus] = 0 })
	case "end", "G":
		return m.choosing(func() { m.move(m.size(m.focus)) })
	}
	return nil
}

// choosing makes a change and asks at once for the results of the query that
// is the chosen one by it.
func (m *Model) choosing(change func()) tea.Cmd {
	before := m.query()
	change()
	query := m.query()
	if query == before || query == "" {
		return nil
	}
	ctx, api := m.ctx, m.API
	return func() tea.Msg { return askRows(ctx, api, query) }
}

// move chooses a row further down, or up.
func (m *Model) move(by int) {
	n := m.size(m.focus)
	m.chosen[m.focus] = max(min(m.row(m.focus, n)+by, n-1), 0)
}

// typeFilter takes a key while the filter is being typed.
func (m *Model) typeFilter(name, text string) {
	switch name {
	case "enter", "tab", "up", "down":
		m.typing = false
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		_, size := utf8.DecodeLastRuneInString(m.filter)
		m.filter = m.filter[:len(m.filter)-size]
	case "ctrl+u":
		m.filter = ""
	default:
		m.filter += text
	}
}

// passes reports whether one of the texts holds the filter, whatever the case.
func (m *Model) passes(texts ...string) bool {
	if m.filter == "" {
		return true
	}
	want := strings.ToLower(m.filter)
	for _, s := range texts {
		if strings.Contains(strings.ToLower(s), want) {
			return true
		}
	}
	return false
}
