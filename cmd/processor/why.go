package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/llm-optimizer/processor/pipeline"
)

// whyTimeout is how long a running pipeline may take to answer.
const whyTimeout = 15 * time.Second

type whyCommand struct {
	askFlags
	Query string `placeholder:"NAME" help:"The windows of one query (all)."`
	Limit int    `default:"20" help:"How many groups of windows to show."`
}

// Run asks the process that runs the pipeline.
func (w whyCommand) Run(c *command) error {
	base, err := w.base(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), whyTimeout)
	defer cancel()
	why, err := w.ask(ctx, base)
	if err != nil {
		return err
	}
	return writeWhy(c.stdout, why)
}

// base is where the process answers.
func (w whyCommand) base(c *command) (string, error) {
	if w.Limit < 1 || w.Limit > 1000 {
		return "", usageError{fmt.Errorf("--limit %d is out of range: give a number from 1 to 1000", w.Limit)}
	}
	address, err := w.address(c)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usageError{fmt.Errorf("--url has to be such as http://127.0.0.1:8080")}
	}
	return strings.TrimRight(address, "/"), nil
}

// ask gets the answer; an error says what could be wrong.
func (w whyCommand) ask(ctx context.Context, base string) (*pipeline.Why, error) {
	parameters := url.Values{"limit": {strconv.Itoa(w.Limit)}}
	if w.Query != "" {
		parameters.Set("query", w.Query)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/why?"+parameters.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("nothing answers at %s: is the pipeline running, and is that where its server.listen is? --config or --url says where to ask: %w", base, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("%s does not finish its answer: %w", base, err)
	}
	if response.StatusCode != http.StatusOK {
		var failure struct{ Error string }
		if json.Unmarshal(body, &failure) == nil && failure.Error != "" {
			return nil, fmt.Errorf("%s answers: %s", base, failure.Error)
		}
		return nil, fmt.Errorf("%s answers %s: does a processor listen there?", base, response.Status)
	}
	var why pipeline.Why
	if err := json.Unmarshal(body, &why); err != nil {
		return nil, fmt.Errorf("what %s answers is not of a processor: %w", base, err)
	}
	return &why, nil
}

// writeWhy tells people.
func writeWhy(out io.Writer, why *pipeline.Why) error {
	var b strings.Builder
	if why.Reason != "" {
		b.WriteString(printable(why.Reason) + "\n\n")
	}
	if why.Watermark == nil {
		b.WriteString("There is no watermark yet.\n")
	} else {
		fmt.Fprintf(&b, "The watermark is %s", instant(why.Watermark))
		if why.WatermarkSince != nil {
			fmt.Fprintf(&b, ", for %s", age(why.Now.Sub(*why.WatermarkSince)))
		}
		b.WriteString(".\n")
	}
	writeHolder(&b, why)
	b.WriteByte('\n')
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	if why.Unseen != "" {
		_, err := fmt.Fprintf(out, "The windows cannot be seen: %s.\n", printable(why.Unseen))
		return err
	}
	if len(why.Windows) == 0 {
		_, err := fmt.Fprintln(out, "No window is open.")
		return err
	}
	t := table{{"query", "window from", "to", "keys", "events", "closes at", ""}}
	for i := range why.Windows {
		t = append(t, groupRow(&why.Windows[i]))
	}
	if err := t.write(out); err != nil {
		return err
	}
	if more := why.Total - len(why.Windows); more > 0 {
		_, err := fmt.Fprintf(out, "and %s: --limit shows more\n", plural(more, "more group", "more groups"))
		return err
	}
	return nil
}

// writeHolder tells of the partition whose watermark is the combined one.
func writeHolder(b *strings.Builder, why *pipeline.Why) {
	h := why.Holder
	if h == nil {
		b.WriteString("No partition holds it: none counts at present.\n")
		return
	}
	name := printable(h.Name)
	fmt.Fprintf(b, "%s holds it (%s): its newest event is of %s, it reads on at offset %s", name, printable(h.Status), instant(h.NewestEvent), count(h.Position))
	if h.LagRecords != nil {
		fmt.Fprintf(b, ", %s behind", plural(int(*h.LagRecords), "record", "records"))
	}
	if h.LagSeconds != nil {
		fmt.Fprintf(b, ", %s behind in time", seconds(*h.LagSeconds))
	}
	b.WriteString(".\n")
	if h.LastRead != nil {
		fmt.Fprintf(b, "It brought events last %s ago.\n", age(why.Now.Sub(*h.LastRead)))
	}
	fmt.Fprintf(b, "A window closes when %s brings an event %s after its end (max_out_of_orderness).\n", name, seconds(why.Bound))
}

// groupRow is a line of the table of windows.
func groupRow(g *pipeline.OpenGroup) []string {
	events, closes := count(g.Events), instant(g.ClosesAt)
	if g.Events == 0 {
		events = "-" // of sliding windows it is not known
	}
	var note string
	switch {
	case g.ClosesAt == nil:
		closes, note = "never", "by its trigger alone, or at the end of the input"
	case g.Missing < 0:
		note = "there is no watermark yet"
	case g.Closed:
		note = "fired; kept for late events, " + seconds(g.Missing) + " to go"
	default:
		note = seconds(g.Missing) + " to go"
	}
	return []string{printable(g.Query), instant(g.Start), instant(g.End), count(g.Keys), events, closes, note}
}

// printable is a text without what a terminal would take for a command.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// instant writes a time to the second, or to the millisecond if it has any.
func instant(t *time.Time) string {
	switch {
	case t == nil:
		return "-"
	case t.Nanosecond() < int(time.Millisecond):
		return dateTime(*t)
	default:
		return t.UTC().Format("2006-01-02 15:04:05.000")
	}
}

// seconds writes a number of seconds, of more than a minute as a duration.
func seconds(s float64) string {
	if s < 60 {
		return strconv.FormatFloat(math.Round(s*1000)/1000, 'f', -1, 64) + "s"
	}
	return (time.Duration(s) * time.Second).String()
}
