package top

import (
	"context"
	"math"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/llm-optimizer/processor/pipeline"
)

const (
	// whyLimit and rowLimit are how many lines are asked for.
	whyLimit = 10
	rowLimit = 50
	// history is how many rates the curve remembers.
	history = 120
)

// panel is a part of the screen that can have the focus.
type panel int

// The panels, in the order of their keys.
const (
	queriesPanel panel = iota
	partitionsPanel
	sinksPanel
	whyPanel
	resultsPanel
	panels
)

// Options say what to watch and how to show it.
type Options struct {
	API API
	// Address names the API for people.
	Address string
	// Interval is how long to wait between two questions; now is the clock.
	Interval time.Duration
	Now      func() time.Time
	Look     Look
}

// Model is the screen: what was answered last and what the user has chosen. It
// is a bubbletea model; only the program that runs it may call it.
type Model struct {
	Options
	ctx           context.Context
	width, height int

	focus  panel
	chosen [panels]int // the chosen row among those that pass the filter
	filter string
	typing bool // the filter is being typed
	help   bool
	paused bool
	stood  time.Time // since when it is paused

	status  *pipeline.Status // nil before the first answer
	rates   rates
	curve   []float64
	why     pipeline.Why
	whyErr  error
	results Results
	// resultsOf is the query of results and resultsErr.
	resultsOf  string
	resultsErr error

	err  error // why there was no answer, nil while there is one
	lost time.Time
}

// NewModel makes the screen of a terminal of 80 by 24 until it is told another
// size. Questions end with the context.
func NewModel(ctx context.Context, o Options) *Model {
	return &Model{Options: o, ctx: ctx, width: 80, height: 24, lost: o.Now()}
}

// answer is what one round of questions has brought.
type answer struct {
	status pipeline.Status
	err    error // of the status; without one the rest was not asked for
	why    pipeline.Why
	whyErr error
	// rows is of the query that was chosen; nil if there was none.
	rows *rowsAnswer
}

// rowsAnswer is the results of a query.
type rowsAnswer struct {
	query   string
	results Results
	err     error
}

// due says that it is time for the next round.
type due struct{}

// Init asks for the first time.
func (m *Model) Init() tea.Cmd { return m.ask() }

// ask makes a round of questions. It takes what it needs along, as it runs
// beside the model.
func (m *Model) ask() tea.Cmd {
	ctx, api, query := m.ctx, m.API, m.query()
	return func() tea.Msg { return round(ctx, api, query) }
}

// round asks for everything that is shown; the results of the first query if
// none was chosen.
func round(ctx context.Context, api API, query string) answer {
	var a answer
	if a.status, a.err = api.Status(ctx); a.err != nil {
		return a
	}
	a.why, a.whyErr = api.Why(ctx, whyLimit)
	if query == "" && len(a.status.Queries) > 0 {
		query = a.status.Queries[0].Name
	}
	if query != "" {
		rows := askRows(ctx, api, query)
		a.rows = &rows
	}
	return a
}

func askRows(ctx context.Context, api API, query string) rowsAnswer {
	results, err := api.Results(ctx, query, rowLimit)
	return rowsAnswer{query, results, err}
}

// wait ends with the interval or with the context: nothing is left running.
func (m *Model) wait() tea.Cmd {
	ctx, interval := m.ctx, m.Interval
	return func() tea.Msg {
		t := time.NewTimer(interval)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			return due{}
		}
	}
}

// take shows an answer.
func (m *Model) take(a answer) {
	if a.err != nil {
		if m.err == nil && m.status != nil {
			m.lost = m.Now()
		}
		m.err = a.err
		if m.status != nil {
			m.rates = ratesBetween(nil, m.status) // they are of the past
		}
		return
	}
	back := m.err != nil
	m.err = nil
	r := ratesBetween(m.status, &a.status)
	if m.status != nil && !m.status.Started.Equal(a.status.Started) {
		m.curve = nil // another run
	}
	if !math.IsNaN(r.events) && !back { // a gap is no point of the curve
		m.curve = append(m.curve, r.events)
		m.curve = m.curve[max(len(m.curve)-history, 0):]
	}
	m.status, m.rates, m.why, m.whyErr = &a.status, r, a.why, a.whyErr
	if a.rows != nil {
		m.takeRows(*a.rows)
	}
}

// takeRows shows the results of a query, if it is still the chosen one.
func (m *Model) takeRows(a rowsAnswer) {
	if a.query == m.query() {
		m.results, m.resultsOf, m.resultsErr = a.results, a.query, a.err
	}
}

// query is the name of the chosen query, empty if there is none.
func (m *Model) query() string {
	list := m.queries()
	if len(list) == 0 {
		return ""
	}
	return list[m.row(queriesPanel, len(list))].Name
}

// row is the chosen row of a panel that has n of them.
func (m *Model) row(p panel, n int) int { return max(min(m.chosen[p], n-1), 0) }
