package top

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/llm-optimizer/processor/pipeline"
)

func TestRates(t *testing.T) {
	before, after := fakeStatus(10), fakeStatus(12)
	r := ratesBetween(&before, &after)
	if r.events != 12_345 || r.results != 3*4 {
		t.Errorf("%v events and %v results a second", r.events, r.results)
	}
	for _, c := range []struct {
		what       string
		have, want float64
	}{
		{"read", of(r.read, "model_minute"), 12_345},
		{"fired", of(r.fired, "session_cost"), 4},
		{"records", of(r.records, "feedback-events/2"), 3000},
		{"rows", of(r.rows, "kafka"), 10},
		{"rows of one that takes none", of(r.rows, "postgres"), 0},
	} {
		if c.have != c.want {
			t.Errorf("%s: %v a second, want %v", c.what, c.have, c.want)
		}
	}
	if v := of(r.rows, "of old"); !math.IsNaN(v) {
		t.Errorf("a sink that is not there has a rate of %v", v)
	}
}

func TestRatesAreUnknownAcrossRuns(t *testing.T) {
	before, after := fakeStatus(10), fakeStatus(12)
	again, other, still := after, after, before
	again.Started = again.Started.Add(time.Hour)
	other.Name = "another"
	for name, r := range map[string]rates{
		"no answer before": ratesBetween(nil, &after), "another run": ratesBetween(&before, &again),
		"another pipeline": ratesBetween(&before, &other), "no time passed": ratesBetween(&before, &still),
	} {
		if !math.IsNaN(r.events) || !math.IsNaN(r.results) || !math.IsNaN(of(r.read, "model_minute")) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	back := fakeStatus(12)
	back.Events = 0
	if r := ratesBetween(&before, &back); r.events != 0 {
		t.Errorf("a counter that went back grows by %v", r.events)
	}
}

func key(name string) tea.KeyPressMsg {
	special := map[string]tea.Key{
		"tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
		"esc": {Code: tea.KeyEscape}, "enter": {Code: tea.KeyEnter}, "backspace": {Code: tea.KeyBackspace}, "end": {Code: tea.KeyEnd},
		"home": {Code: tea.KeyHome}, "pgdown": {Code: tea.KeyPgDown}, "pgup": {Code: tea.KeyPgUp},
		"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl}, "ctrl+z": {Code: 'z', Mod: tea.ModCtrl},
	}
	if k, ok := special[name]; ok {
		return tea.KeyPressMsg(k)
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

// press gives keys to a model and takes in at once what they ask for.
func press(m *Model, names ...string) (last tea.Cmd) {
	for _, name := range names {
		if _, last = m.Update(key(name)); last != nil {
			if rows, ok := last().(rowsAnswer); ok {
				m.Update(rows)
			}
		}
	}
	return last
}

func TestKeysMoveTheFocus(t *testing.T) {
	m, _ := watching(t, Look{})
	for _, c := range []struct {
		key  string
		want panel
	}{
		{"tab", partitionsPanel}, {"5", resultsPanel}, {"tab", queriesPanel}, {"shift+tab", resultsPanel}, {"3", sinksPanel},
		{"4", whyPanel}, {"2", partitionsPanel}, {"1", queriesPanel}, {"9", queriesPanel},
	} {
		if press(m, c.key); m.focus != c.want {
			t.Errorf("after %s the focus is on %d, want %d", c.key, m.focus, c.want)
		}
	}
}

func TestKeysChooseAQueryAndItsResults(t *testing.T) {
	m, api := watching(t, Look{})
	for _, c := range []struct{ key, want string }{
		{"up", "model_minute"}, {"down", "tenant_five_minutes"}, {"j", "session_cost"}, {"down", "session_cost"}, {"k", "tenant_five_minutes"},
		{"end", "session_cost"}, {"home", "model_minute"}, {"pgdown", "session_cost"}, {"pgup", "model_minute"},
	} {
		press(m, c.key)
		if m.query() != c.want || m.resultsOf != c.want || !strings.Contains(draw(m), "> "+c.want) {
			t.Errorf("after %s: chosen %s with results of %s, want %s", c.key, m.query(), m.resultsOf, c.want)
		}
	}
	press(m, "down")
	m.Update(rowsAnswer{query: "session_cost"}) // comes too late
	if m.resultsOf != "tenant_five_minutes" {
		t.Errorf("the results are of %s, which is not the chosen query", m.resultsOf)
	}
	m.Update(m.ask()())
	if last := api.asked[len(api.asked)-1]; last != "tenant_five_minutes" {
		t.Errorf("the next round asks for results of %s", last)
	}
}

func TestFilter(t *testing.T) {
	m, _ := watching(t, Look{})
	press(m, "/", "S", "e", "x", "backspace", "s")
	if have := draw(m); m.query() != "session_cost" || !strings.Contains(have, "1 Queries (1 of 3)") || !strings.Contains(have, "/Ses_") {
		t.Errorf("with the filter %q the query is %s:\n%s", m.filter, m.query(), have)
	}
	press(m, "enter", "tab")
	if m.typing || m.filter != "Ses" || m.focus != partitionsPanel {
		t.Errorf("enter should keep the filter: %q, typing %v, focus %d", m.filter, m.typing, m.focus)
	}
	press(m, "/", "ctrl+u", "/", "3", "enter") // keys are text while it is typed
	if m.filter != "/3" || m.size(partitionsPanel) != 1 || len(m.queries()) != 3 {
		t.Errorf("filter %q passes %d partitions and %d queries", m.filter, m.size(partitionsPanel), len(m.queries()))
	}
	press(m, "esc")
	if m.filter != "" || m.size(partitionsPanel) != 4 {
		t.Errorf("esc should drop the filter: %q", m.filter)
	}
	press(m, "/", "é", "backspace", "q", "esc")
	if m.filter != "" || m.typing {
		t.Errorf("esc should drop what is being typed: %q", m.filter)
	}
	m.Update(tea.PasteMsg{Content: "ignored"})
	press(m, "/")
	m.Update(tea.PasteMsg{Content: "gpt-2"})
	if m.size(resultsPanel) != 1 {
		t.Errorf("the pasted filter %q passes %d results", m.filter, m.size(resultsPanel))
	}
}

func TestKeysThatEnd(t *testing.T) {
	quits := func(cmd tea.Cmd) bool {
		if cmd == nil {
			return false
		}
		_, ok := cmd().(tea.QuitMsg)
		return ok
	}
	m, _ := watching(t, Look{})
	if !quits(press(m, "q")) || !quits(press(m, "ctrl+c")) || !quits(press(m, "?", "q")) || !quits(press(m, "/", "ctrl+c")) {
		t.Error("q and ctrl+c should quit")
	}
	if press(m, "q") != nil {
		t.Error("q is a letter while the filter is typed")
	}
	m, _ = watching(t, Look{})
	if _, ok := press(m, "ctrl+z")().(tea.SuspendMsg); !ok {
		t.Error("ctrl+z should suspend")
	}
}

func TestHelp(t *testing.T) {
	m, _ := watching(t, Look{})
	press(m, "?")
	if !strings.Contains(draw(m), "drop the filter") {
		t.Errorf("no help:\n%s", draw(m))
	}
	if press(m, "x"); strings.Contains(draw(m), "drop the filter") {
		t.Error("any key should go back")
	}
}

func TestPauseHoldsTheDisplay(t *testing.T) {
	m, _ := watching(t, Look{})
	before := m.status.Events
	press(m, "p")
	if !strings.Contains(draw(m), "stands still since 12:01:00") {
		t.Errorf("nothing says that it is paused:\n%s", draw(m))
	}
	_, cmd := m.Update(m.ask()()) // was under way
	if _, ok := cmd().(due); !ok || m.status.Events != before {
		t.Error("an answer should be passed over, and the next round be waited for")
	}
	_, cmd = m.Update(due{})
	if _, ok := cmd().(due); !ok {
		t.Error("nothing should be asked while it is paused")
	}
	press(m, "p")
	_, cmd = m.Update(due{})
	if m.Update(cmd()); m.status.Events == before {
		t.Error("it does not go on")
	}
}

func TestReconnect(t *testing.T) {
	m, api := watching(t, Look{})
	clock := noon.Add(2 * time.Minute)
	m.Now = func() time.Time { return clock }
	api.set(true)
	for range 3 {
		m.Update(m.ask()())
		clock = clock.Add(time.Second)
	}
	have := draw(m)
	for _, want := range []string{"! no answer since 12:02:00 (3.0s)", "connection refused", "no answer  up", "- events/s", "model_minute"} {
		if !strings.Contains(have, want) {
			t.Errorf("%q is missing in\n%s", want, have)
		}
	}
	points := len(m.curve)
	api.set(false)
	m.Update(m.ask()())
	if have := draw(m); strings.Contains(have, "no answer") || !strings.Contains(have, "12,345 events/s") || len(m.curve) != points {
		t.Errorf("it has not come back; the curve has %d points, had %d:\n%s", len(m.curve), points, have)
	}
	again := fakeStatus(0)
	again.Started = again.Started.Add(time.Hour)
	m.Update(answer{status: again})
	if len(m.curve) != 0 {
		t.Error("the curve goes on over a new run")
	}
}

func TestNoAnswerFromTheBeginning(t *testing.T) {
	m := NewModel(t.Context(), Options{API: &fakeAPI{down: true}, Address: "http://127.0.0.1:1", Now: func() time.Time { return noon }})
	if !strings.Contains(draw(m), "Waiting for an answer from http://127.0.0.1:1") {
		t.Errorf("have\n%s", draw(m))
	}
	m.Update(m.Init()())
	if !strings.Contains(draw(m), "! no answer since 12:00:00 (0ms)") {
		t.Errorf("have\n%s", draw(m))
	}
	press(m, "tab", "up", "down", "end", "home", "/", "x", "enter", "p", "5", "down") // nothing to choose from
}

func TestTroubleIsSeen(t *testing.T) {
	m, _ := watching(t, Look{})
	s := fakeStatus(9)
	s.Source = pipeline.TroubleStatus{Since: at(-time.Minute), Error: "no broker"}
	s.Sinks[0].Failed = true
	s.State.OutboxBytes = s.State.OutboxLimit
	s.State.CheckpointFailures = 2
	m.take(answer{status: s, whyErr: errors.New("too busy"), rows: &rowsAnswer{query: "model_minute", err: errors.New("gone")}})
	m.Update(tea.WindowSizeMsg{Width: 160, Height: 50})
	have := draw(m)
	for _, want := range []string{
		"the source is in trouble since 11:59:00 (1m09s): no broker", "failed for good", "sink postgres is in trouble since 11:58:30 (1m39s): dial tcp", "(100%)", "2 failed", "not known: too busy", "not known: gone",
	} {
		if !strings.Contains(have, want) {
			t.Errorf("%q is missing in\n%s", want, have)
		}
	}
	s.State, s.Watermark, s.Queries, s.Sinks, s.Partitions = nil, nil, nil, nil, nil
	m.take(answer{status: s})
	have = draw(m)
	for _, want := range []string{"state in memory", "watermark -", "1 Queries (0)"} {
		if !strings.Contains(have, want) {
			t.Errorf("%q is missing in\n%s", want, have)
		}
	}
}
