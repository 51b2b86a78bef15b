// Package top is the live overview of a running pipeline in a terminal: a
// client of the HTTP API, a model of what was answered, and its drawing as
// text. Model and drawing wait for nothing and read no clock but the one they
// are given; the program that runs them (bubbletea) owns the goroutines.
package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Run shows the overview until the user quits or the context ends. in and out
// are a terminal, environ its environment (NAME=VALUE).
func Run(ctx context.Context, o Options, in io.Reader, out io.Writer, environ []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the questions that are under way
	_, err := tea.NewProgram(NewModel(ctx, o),
		tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithEnvironment(environ)).Run()
	if errors.Is(err, tea.ErrInterrupted) || ctx.Err() != nil {
		return nil
	}
	return err
}

// Once writes one overview as text. Rates take two answers, an interval apart;
// with the interval 0 there is one answer and no rates.
func Once(ctx context.Context, o Options, out io.Writer) error {
	o.Look.Color = false
	m := NewModel(ctx, o)
	if err := m.refresh(); err != nil {
		return err
	}
	if o.Interval > 0 {
		if m.wait()() == nil {
			return ctx.Err()
		}
		if err := m.refresh(); err != nil {
			return err
		}
	}
	return m.write(out)
}

// Follow writes an overview as text at every interval, for terminals that
// cannot move their cursor, until the context ends. It goes on when there is no
// answer.
func Follow(ctx context.Context, o Options, out io.Writer) error {
	o.Look.Color = false
	m := NewModel(ctx, o)
	for {
		var written error
		if err := m.refresh(); err == nil {
			written = m.write(out)
		} else if ctx.Err() == nil {
			_, written = fmt.Fprintln(out, m.troubles(0)[0])
		}
		if written != nil {
			return written
		}
		if m.wait()() == nil {
			return nil
		}
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
	}
}

// refresh asks and takes the answer.
func (m *Model) refresh() error {
	a := round(m.ctx, m.API, m.query())
	m.take(a)
	if a.err != nil {
		return fmt.Errorf("no answer from %s: %w", m.Look.clean(m.Address), a.err)
	}
	return nil
}

// write writes everything, at its natural width: programs cut it as they like.
func (m *Model) write(out io.Writer) error {
	lines := m.header(0)
	m.focus = panels // no row is marked
	list := []panel{queriesPanel, partitionsPanel, sinksPanel, whyPanel}
	for _, p := range list {
		lines = append(lines, m.plain(m.block(p, 0))...)
	}
	for i := range m.queries() {
		m.chosen[queriesPanel] = i
		m.takeRows(askRows(m.ctx, m.API, m.query()))
		lines = append(lines, m.plain(m.block(resultsPanel, 0))...)
	}
	m.chosen[queriesPanel] = 0
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	_, err := io.WriteString(out, strings.Join(lines, "\n")+"\n")
	return err
}

// plain is a block with all of its lines.
func (m *Model) plain(b block) []string {
	lines := append([]string{"", b.title}, b.head...)
	return append(append(lines, b.rows...), b.tail...)
}

// MinInterval is how often a pipeline may be asked at most.
const MinInterval = 100 * time.Millisecond
