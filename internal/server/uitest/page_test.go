package uitest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// drawn says that the chart has pixels of more than its axes' colours.
const drawn = `(() => {
	const canvas = document.querySelector(".plot canvas");
	if (!canvas || !canvas.width) return false;
	const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
	const seen = new Set();
	for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] === 255) seen.add(pixels[i] + "," + pixels[i + 1] + "," + pixels[i + 2]);
	return seen.size > 3;
})()`

// noWiderThan says that a page does not scroll sideways. A phone would show a
// wider page smaller, so the page's own idea of the width does not count.
func noWiderThan(width int64) string {
	return fmt.Sprintf("document.documentElement.scrollWidth <= %d", width)
}

func TestPageShowsThePipeline(t *testing.T) {
	f := newFake(t, lively(time.Now()))
	b := open(t, f.URL, desk)
	b.untilText("#name", "llm-health")
	b.untilText("#phase", "running")
	b.untilText("#connection", "live")
	b.until(`/[1-9]/.test(document.querySelector("#figures dd").textContent)`)
	b.untilText("#figures", "behind the clock")
	b.untilText("#flow", "model_minute")
	b.untilText("#flow", "events/s")
	b.untilText("#flow", "waits 0.3")
	b.untilText("#flow .box.bad", "llm_stats")
	// The strokes of the lines: into three queries, out of two to both sinks and of
	// one to one, and into three sinks, the last one all the way from the source.
	b.until(`[...document.querySelectorAll("#flow .wire")].map((w) => w.getAttribute("d").split("M").length - 1).join() === "1,1,1,2,2,1,1,1,3"`)
	b.untilText("#notices", "connection refused")
	b.untilText("#why .reason", "feedback-events/3")
	b.untilText("#partitions tr.holds", "feedback-events/3")
	b.untilText("#ledger", "✓ adds up")
	b.untilText("#late", "2 min 48 s late")
	b.untilText("#dead", "41 invalid json")
	b.untilText("#state", "212 MiB of 1.0 GiB")
	b.untilText("#state .checkpoints", "cp-002012")
	b.untilText("#plan", "tumbling 1m by model")
	b.untilText(".open", "kept for late events")
	b.untilText(".rows", "correction")
	b.until(drawn)
	if !eval[bool](b, noWiderThan(desk.width)) {
		t.Error("the page is wider than the window")
	}
	b.noComplaints()
}

func TestALiveRowArrives(t *testing.T) {
	now := time.Now()
	f := newFake(t, lively(now))
	b := open(t, f.URL, desk)
	b.until(`document.querySelectorAll(".rows tbody tr").length > 10`)
	first := `document.querySelector(".rows tbody tr")`
	b.do(first + `.dataset.mark = "kept"`)
	r := modelRow(modelKey{"newcomer", "acme"}, 1, now.Truncate(time.Minute))
	r.Values["requests"] = 987654
	f.push(r)
	b.until(first + `.textContent.includes("newcomer")`)
	b.untilText(".legend", "987,654")
	// Rows that were there are the same nodes: the page is not built anew.
	b.until(`document.querySelector(".rows tbody tr:nth-child(2)").dataset.mark === "kept"`)

	// A correction takes the place of what it corrects.
	r.Timing, r.Firing, r.ID = "late", 1, r.WindowID+"-1"
	r.Values = map[string]float64{"requests": 1000001}
	f.push(r)
	b.untilText(".legend", "1,000,001")
	if strings.Contains(eval[string](b, `document.querySelector(".legend").textContent`), "987,654") {
		t.Error("the chart has the corrected value still")
	}
	b.noComplaints()
}

// TestRowsThatAreLeftOut says why they are, of each reason apart.
func TestRowsThatAreLeftOut(t *testing.T) {
	f := newFake(t, lively(time.Now()))
	b := open(t, f.URL, desk)
	b.untilText("#connection", "live")
	const (
		slow    = "This page was too slow for 7 rows"
		limit   = "than the processor shows: 5,000 are left out here. The sinks have them all."
		skipped = "than the pipeline shows: 11 are left out here."
	)
	f.drop(2000, "limit")
	f.drop(3000, "limit")
	b.untilText("#notices", limit)
	if eval[bool](b, `/too slow|the pipeline shows/.test(document.querySelector("#notices").textContent)`) {
		t.Error("the page takes the blame for the limit")
	}
	f.drop(11, "skipped")
	b.untilText("#notices", skipped)
	f.drop(7, "slow")
	b.untilText("#notices", slow)
	b.untilText("#notices", limit)
	b.noComplaints()
}

func TestFilterAndFocus(t *testing.T) {
	f := newFake(t, lively(time.Now()))
	b := open(t, f.URL, desk)
	b.until(`document.querySelectorAll(".legend li").length === 8`)
	b.until(`document.querySelector("#queries").textContent.includes("3 others")`)
	b.run(chromedp.SendKeys(chromedp.CSS("#filter"), "GLOBEX"))
	b.until(`document.querySelectorAll(".legend li").length === 2`)
	b.until(`[...document.querySelectorAll(".rows tbody tr")].every((r) => r.textContent.includes("globex"))`)
	b.until(`[...document.querySelectorAll(".open tbody tr")].every((r) => r.textContent.includes("globex"))`)

	b.run(chromedp.Click(chromedp.CSS(".legend button")))
	b.until(`document.querySelectorAll(".legend button.off").length === 1`)
	b.do(`document.querySelector("#filter").value = "no such key"; document.querySelector("#filter").dispatchEvent(new Event("input"))`)
	b.untilText("#queries", "No key that this page knows has this text.")
	b.noComplaints()
}

func TestPercentilesMakeABand(t *testing.T) {
	f := newFake(t, lively(time.Now()))
	b := open(t, f.URL, desk)
	b.untilText("#aggregate", "p50 to p99 of latency_ms, as a band")
	b.do(`document.querySelector("#aggregate").value = "band latency_ms"; document.querySelector("#aggregate").dispatchEvent(new Event("change"))`)
	b.until(`document.querySelectorAll(".legend button.off").length === 7`)
	b.until(`document.querySelector("[aria-pressed=true] .legend-value").textContent.split("/").length === 3`)
	// What fills a band is neither clear nor opaque.
	b.until(`(() => {
		const canvas = document.querySelector(".plot canvas");
		const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
		let soft = 0;
		for (let i = 3; i < pixels.length; i += 4) if (pixels[i] > 25 && pixels[i] < 130) soft++;
		return soft > 2000;
	})()`)
	b.noComplaints()
}

func TestHostileKeysAreText(t *testing.T) {
	f := newFake(t, lively(time.Now()))
	b := open(t, f.URL, desk)
	b.run(chromedp.SendKeys(chromedp.CSS("#filter"), "mallory"))
	for _, key := range hostile {
		b.untilText(".legend", key)
		b.untilText(".rows tbody", key)
		b.untilText(".open tbody", key)
	}
	b.until(drawn)
	b.untilText("#late", hostile[0][1:12])
	b.untilText("#dead", hostile[1])
	if eval[bool](b, `"pwned" in window || document.querySelectorAll("img").length !== 1 || document.querySelectorAll("body script").length !== 0`) {
		t.Error("a key has become a part of the page")
	}
	b.noComplaints()
}

func TestTheStreamComesBack(t *testing.T) {
	f := newFake(t, lively(time.Now()))
	b := open(t, f.URL, desk)
	b.untilText("#connection", "live")
	b.do(`window.states = []; new MutationObserver(() => states.push(document.querySelector("#connection").textContent)).observe(document.querySelector("#connection"), {childList: true, characterData: true, subtree: true})`)
	f.breakStreams()
	b.until(`states.includes("reconnecting") && states.at(-1) === "live"`)
	b.until(`!document.querySelector("#notices").textContent.includes("No connection")`)
}

func TestEmptyPageSaysWhy(t *testing.T) {
	f := newFake(t, quiet(time.Now()))
	b := open(t, f.URL, desk)
	b.untilText("#queries", "No window has closed yet.")
	b.untilText("#queries", "No window is open")
	b.untilText("#partitions", "no partitions yet")
	b.untilText("#late", "No event has come too late.")
	b.untilText("#dead", "Every record was an event.")
	b.untilText("#state", "State is in memory")
	b.untilText("#figures", "no event yet")
	b.noComplaints()
}

func TestDarkMode(t *testing.T) {
	f := newFake(t, lively(time.Now()))
	b := open(t, f.URL, screen{width: 1360, height: 900, dark: true})
	b.until(drawn)
	brightness := `getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, v) => a + Number(v), 0)`
	if got := eval[int](b, brightness); got > 150 {
		t.Errorf("the dark background has a brightness of %d", got)
	}
	b.run(chromedp.Click(chromedp.CSS("#theme")))
	b.until(brightness + " > 600")
	b.run(chromedp.Reload())
	b.until(drawn)
	b.until(brightness + " > 600")
	b.noComplaints()
}

func TestPhone(t *testing.T) {
	f := newFake(t, lively(time.Now()))
	phone := screen{width: 380, height: 780, phone: true}
	b := open(t, f.URL, phone)
	b.until(drawn)
	b.untilText("#flow", "rows/s")
	// Long keys are where a page grows too wide.
	b.run(chromedp.SendKeys(chromedp.CSS("#filter"), "mallory"))
	b.untilText(".legend", hostile[1])
	if !eval[bool](b, noWiderThan(phone.width)) {
		t.Errorf("the page scrolls sideways: %s", eval[string](b, `[...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > 381 && !e.closest(".scroll, pre, .tabs")).map((e) => e.tagName + "." + e.className).join(" ")`))
	}
	b.noComplaints()
}

func TestKeyboard(t *testing.T) {
	f := newFake(t, lively(time.Now()))
	b := open(t, f.URL, desk)
	b.until(drawn)
	var reached []string
	for range 24 {
		b.run(chromedp.KeyEvent(kb.Tab))
		reached = append(reached, eval[string](b, `(document.activeElement.id || document.activeElement.getAttribute("role") || document.activeElement.className || document.activeElement.tagName) + ""`))
		if eval[bool](b, `getComputedStyle(document.activeElement).outlineStyle === "none"`) {
			t.Errorf("the focus on %s cannot be seen", reached[len(reached)-1])
		}
	}
	for _, want := range []string{"skip", "theme", "actions", "tab", "aggregate", "filter", "region"} {
		if !slices.Contains(reached, want) {
			t.Errorf("Tab does not reach %s; it reaches %v", want, reached)
		}
	}
	b.do(`document.querySelector('[role="tab"]').focus()`)
	b.run(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	b.until(`document.querySelector('[aria-selected="true"]').textContent === "user_session"`)
	b.untilText(".rows", "user-1")
	b.noComplaints()
}

func TestActionsNeedTheToken(t *testing.T) {
	f := newFake(t, lively(time.Now()))
	b := open(t, f.URL, desk)
	b.untilText("#phase", "running")
	b.run(chromedp.Click(chromedp.CSS("#actions")), chromedp.Click(chromedp.CSS("#pause")))
	b.untilText(".outcome", "server.token")
	b.run(chromedp.SendKeys(chromedp.CSS("#token"), "wrong"), chromedp.Click(chromedp.CSS("#pause")))
	b.untilText(".outcome", "the token is wrong")
	b.run(chromedp.SetValue(chromedp.CSS("#token"), token), chromedp.Click(chromedp.CSS("#pause")))
	b.untilText(".outcome", "Done: pause")
	if got := f.acted(); !slices.Equal(got, []string{"POST pause"}) {
		t.Errorf("the server was told %q", got)
	}
	if eval[bool](b, `JSON.stringify(localStorage).includes("let-me-in") || document.cookie !== ""`) {
		t.Error("the token is kept beyond the tab")
	}
	b.run(chromedp.KeyEvent(kb.Escape))
	b.until(`!document.querySelector("#menu").open`)
}

// TestManyKeysAreBounded sends more keys than the page keeps.
func TestManyKeysAreBounded(t *testing.T) {
	w := lively(time.Now())
	end := time.Now().Truncate(time.Minute)
	for i := range 900 {
		w.rows["model_minute"] = append(w.rows["model_minute"], modelRow(modelKey{fmt.Sprintf("model-%d", i), "many"}, i, end))
	}
	f := newFake(t, w)
	b := open(t, f.URL, desk)
	b.untilText("#queries", "This page keeps 300 keys")
	b.run(chromedp.SendKeys(chromedp.CSS("#filter"), "model-899"))
	b.untilText(".legend", "model-899")
	b.noComplaints()
}

// TestAKeyOfThePastWithQuotes: what a filter brings of the past is found by the
// text of the key, whatever JSON makes of it.
func TestAKeyOfThePastWithQuotes(t *testing.T) {
	w := lively(time.Now())
	end := time.Now().Truncate(time.Minute)
	rows := []row{modelRow(modelKey{`say "hi" \o/`, "past"}, 0, end)}
	for i := range 1000 {
		rows = append(rows, modelRow(modelKey{fmt.Sprintf("model-%d", i), "many"}, i, end))
	}
	w.rows["model_minute"] = rows
	f := newFake(t, w)
	b := open(t, f.URL, desk)
	b.untilText("#queries", "This page keeps 300 keys")
	b.run(chromedp.SendKeys(chromedp.CSS("#filter"), `"hi" \o/`))
	b.untilText(".legend", `say "hi" \o/`)
	b.noComplaints()
}

// TestPictures writes pictures of the page, for whoever changes it, into the
// folder that PROCESSOR_PICTURES names.
func TestPictures(t *testing.T) {
	folder := os.Getenv("PROCESSOR_PICTURES")
	if folder == "" {
		t.Skip("SKIPPED pictures: PROCESSOR_PICTURES names no folder for them")
	}
	now := time.Now()
	for _, c := range []struct {
		name  string
		s     screen
		world world
		first string
	}{
		{"light", desk, lively(now), ""},
		{"dark", screen{width: 1360, height: 900, dark: true}, lively(now), `document.querySelector("#aggregate").value = "band latency_ms"; document.querySelector("#aggregate").dispatchEvent(new Event("change"))`},
		{"sessions", desk, lively(now), `document.querySelectorAll("[role=tab]")[2].click()`},
		{"phone", screen{width: 380, height: 780, phone: true}, lively(now), ""},
		{"empty", desk, quiet(now), ""},
		{"menu", screen{width: 900, height: 700}, lively(now), `document.querySelector("#actions").click()`},
	} {
		b := open(t, newFake(t, c.world).URL, c.s)
		b.untilText("#name", c.world.status(now).Name)
		b.until(`document.querySelector("#plan").textContent !== ""`)
		if c.first != "" {
			b.do(c.first)
		}
		b.until(`performance.now() > 6000`)
		shot := chromedp.FullScreenshot(100)
		if c.name == "menu" {
			shot = chromedp.CaptureScreenshot()
		}
		picture, err := chromedp.Run(b.ctx, shot)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, c.name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHistoryIsBounded holds what the page remembers of a query against days
// of rows.
func TestHistoryIsBounded(t *testing.T) {
	f := newFake(t, quiet(time.Now()))
	b := open(t, f.URL, desk)
	got := eval[struct {
		Keys, Points, Recent   int
		Last, Corrected, Stale string
		Withdrawn              int
	}](b, `import("/ui/history.js").then(({ History }) => {
		const row = (key, n, firing, values) => ({
			id: key + n + "-" + firing, window_id: key + n, key: { key }, firing, values,
			window_end: new Date(1e12 + n * 60000).toISOString(),
		});
		const steady = new History();
		for (let n = 0; n < 2000; n++) steady.add(row("a", n, 0, { v: n }));
		steady.add(row("a", 1999, 1, { v: -1 }));
		steady.add(row("a", 1999, 0, { v: 1999 })); // comes again, after its correction
		const corrected = String(steady.series.values().next().value.points.at(-1).values.v);
		steady.add(row("a", 1999, 2, null));
		const points = steady.series.values().next().value.points;
		const churning = new History();
		for (let n = 0; n < 2000; n++) churning.add(row("key " + n, n, 0, { v: n }));
		const crowded = new History();
		for (let n = 0; n < 2000; n++) crowded.add(row("key " + n, 1, 0, { v: n }));
		crowded.filter = "key 1999";
		crowded.load([row("key 1999", 2, 0, { v: 1 })]);
		return {
			Keys: churning.series.size, Points: points.length, Recent: steady.recent.size,
			Last: [...churning.series.keys()].at(-1), Corrected: corrected, Withdrawn: points.at(-1).values.v,
			Stale: [...crowded.series.keys()].at(-1),
		};
	})`)
	if got.Keys != 300 || got.Recent != 300 || got.Points > 180 {
		t.Errorf("the page remembers %d keys, %d points of one and %d rows", got.Keys, got.Points, got.Recent)
	}
	if got.Last != `{"key":"key 1999"}` || got.Stale != `{"key":"key 1999"}` {
		t.Errorf("keys that are gone make no room: the last are %s and %s", got.Last, got.Stale)
	}
	if got.Corrected != "-1" || got.Withdrawn != 1998 {
		t.Errorf("after a correction the value is %s, after it is withdrawn the last one %d", got.Corrected, got.Withdrawn)
	}
}
