package top

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/pipeline"
)

const hostile = "a\x1b[2J\x1b]0;owned\x07\r\n\t\x00\x7f\u009b31m\u202egnp\u2066x\u200b\u200d\ufeff\u2028\U000e0041\xff名e\u0301\u0301\u0301\u0301\ufe0f👩\U0001f3fd\u3164"

// hostileStatus has a hostile text wherever one can be.
func hostileStatus() pipeline.Status {
	s := fakeStatus(9)
	s.Name, s.Phase, s.HeldBy = hostile, hostile, hostile
	s.Source = pipeline.TroubleStatus{Since: at(0), Error: hostile}
	for i := range s.Queries {
		s.Queries[i].Name, s.Queries[i].Window = hostile, hostile
	}
	for i := range s.Partitions {
		s.Partitions[i].Name, s.Partitions[i].Status = hostile, hostile
	}
	for i := range s.Sinks {
		s.Sinks[i].Name, s.Sinks[i].Kind = hostile, hostile
		s.Sinks[i].Trouble = pipeline.TroubleStatus{Since: at(0), Error: hostile}
	}
	s.State.Store, s.State.Checkpoint = hostile, hostile
	return s
}

func TestHostileTextsAreHarmless(t *testing.T) {
	m, _ := watching(t, Look{Unicode: true})
	s := hostileStatus()
	quoted, err := json.Marshal(map[string]string{hostile: hostile})
	if err != nil {
		t.Fatal(err)
	}
	m.take(answer{
		status: s,
		why:    pipeline.Why{Reason: hostile, Windows: []pipeline.OpenGroup{{Query: hostile}}, Total: 1},
		rows:   &rowsAnswer{query: hostile, results: Results{Rows: []Row{{Query: hostile, Timing: hostile, Key: quoted, Values: []byte(hostile)}}}},
	})
	m.filter, m.Address = hostile, hostile
	check := func(text string) {
		t.Helper()
		for _, r := range text {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && string(r) != leftToRight || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Co)) {
				t.Fatalf("%U is drawn in\n%q", r, text)
			}
		}
	}
	for _, size := range [][2]int{{80, 24}, {120, 80}, {200, 80}} {
		for _, typing := range []bool{false, true} {
			m.typing = typing
			m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			check(draw(m))
		}
	}
	m.filter = "" // all rows
	check(draw(m))
	if !strings.Contains(draw(m), "[2J") {
		t.Error("the text has gone with its escapes")
	}
	var out strings.Builder
	if err := m.write(&out); err != nil {
		t.Fatal(err)
	}
	check(out.String())
}

func TestClean(t *testing.T) {
	full, ascii := Look{Unicode: true}, Look{}
	for _, c := range []struct{ in, full, ascii string }{
		{"plain text", "plain text", "plain text"},
		{"", "", ""},
		{"a\tb\nc\u00a0d", "a b c d", "a b c d"},
		{"\x1b[31mred\x1b[m", "�[31mred�[m", "?[31mred?[m"},
		{"日本", "日本", "??"},
		{"e\u0301", "e\u0301", "e"},
		{"\u202eevil\u202c", "�evil�", "?evil?"},
		{"אב", leftToRight + "אב" + leftToRight, "??"},
		{"\xff", "�", "?"},
		{"a" + strings.Repeat("\u0301", 50), "a\u0301\u0301", "a"},
	} {
		if have := full.clean(c.in); have != c.full {
			t.Errorf("clean(%q) = %q, want %q", c.in, have, c.full)
		}
		if have := ascii.clean(c.in); have != c.ascii {
			t.Errorf("in ASCII clean(%q) = %q, want %q", c.in, have, c.ascii)
		}
	}
	if have := full.clean(strings.Repeat("x", 1_000_000)); len(have) > maxText+10 {
		t.Errorf("a text of a million is drawn as one of %d", len(have))
	}
}

// TestPadIsExact holds the width of a cell against another measure: a column
// that is off by one puts all others on its right out of place.
func TestPadIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Look{Unicode: rapid.Bool().Draw(t, "unicode")}
		s := l.clean(rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z日本אב\x{301}\x{1f469}\x{200d} ]*`)).Draw(t, "text"))
		width := rapid.IntRange(0, 30).Draw(t, "width")
		padded := l.pad(s, width, rapid.Bool().Draw(t, "right"))
		if have := widthOf(padded); have != width {
			t.Fatalf("pad(%q, %d) = %q takes %d", s, width, padded, have)
		}
		if have := ansi.StringWidth(padded); have > width {
			t.Fatalf("pad(%q, %d) = %q takes %d", s, width, padded, have)
		}
	})
}

func TestClipFront(t *testing.T) {
	l := Look{Unicode: true}
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{{"events/11", 9, "events/11"}, {"events/11", 6, "…ts/11"}, {"日本/3", 4, "…/3"}, {"abc", 1, "…"}, {"abc", 0, ""}} {
		if have := l.clipFront(c.in, c.width); have != c.want {
			t.Errorf("clipFront(%q, %d) = %q, want %q", c.in, c.width, have, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	l := Look{}
	have := l.wrap("the quick brown extraordinarily fox", 9)
	want := "the quick|brown|extraor..|fox"
	if strings.Join(have, "|") != want {
		t.Errorf("have %q, want %q", have, want)
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct{ have, want string }{
		{short(0), "0"}, {short(99_999), "99,999"}, {short(100_000), "100k"}, {short(999_499), "999k"}, {short(999_600), "1.00M"},
		{short(12_345_678), "12.3M"}, {short(1 << 62), "4.61E"}, {short(-5), "-5"}, {count(-1234567), "-1,234,567"},
		{rate(0), "0"}, {rate(0.04), "0.0"}, {rate(3.14), "3.1"}, {rate(12_345.6), "12,346"},
		{Bytes(-1), "-1 B"}, {Bytes(1 << 30), "1.0 GiB"},
		{span(0), "0ms"}, {span(250 * time.Millisecond), "250ms"}, {span(9999 * time.Millisecond), "9.9s"}, {span(59 * time.Second), "59s"},
		{span(725 * time.Second), "12m05s"}, {span(26 * time.Hour), "26h00m"}, {span(100 * time.Hour), "4d"}, {span(-time.Minute), "-1m00s"},
		{seconds(1e300), "-"}, {seconds(0.5), "500ms"},
		{bounds(nil, nil, noon), "all time"}, {bounds(at(0), at(time.Minute), noon), "12:00:00 - 12:01:00"},
		{bounds(at(0), at(time.Minute), noon.AddDate(1, 0, 0)), "2026-01-01 12:00:00 - 12:01:00"},
		{bounds(at(0), at(24*time.Hour), noon), "12:00:00 - 2026-01-02 12:00:00"},
		{clockTime(*at(0), *at(time.Hour)), "12:00:00"}, {clockTime(*at(0), *at(48 * time.Hour)), "2026-01-01 12:00:00"},
		{pairs(json.RawMessage(`{"b":"x","a":null,"n":"1","s":"a b","l":[1,{"x":2}]}`)), `b=x a=null n="1" s="a b" l=[1,{"x":2}]`},
		{pairs(nil), "-"}, {pairs(json.RawMessage("null")), "-"}, {pairs(json.RawMessage(`[1`)), "[1"}, {pairs(json.RawMessage(`{"a":`)), `{"a":`},
		{Look{}.spark([]float64{0, 5, 10}, 5), "  _=@"},
	} {
		if c.have != c.want {
			t.Errorf("have %q, want %q", c.have, c.want)
		}
	}
}

func TestLookOf(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    Look
	}{
		{[]string{"TERM=xterm", "LANG=de_DE.UTF-8"}, Look{Color: true, Unicode: true}},
		{[]string{"TERM=xterm", "LANG=C.utf8", "NO_COLOR=1"}, Look{Unicode: true}},
		{[]string{"TERM=xterm", "LANG=de_DE.UTF-8", "LC_ALL=C"}, Look{Color: true}},
		{[]string{"TERM=xterm", "NO_COLOR="}, Look{Color: true}},
		{[]string{"TERM=dumb", "LANG=de_DE.UTF-8"}, Look{Dumb: true}},
		{nil, Look{Dumb: true}},
	} {
		if have := LookOf(c.environ); have != c.want {
			t.Errorf("LookOf(%q) = %+v, want %+v", c.environ, have, c.want)
		}
	}
}
