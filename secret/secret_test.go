package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const canary = "canary-p/ss@word"

// holder has secrets where package fmt cannot ask them how to show themselves.
type holder struct {
	Open   Text
	closed Text
	list   []Text
	table  map[string]Text
	to     *Text
	any    any
}

func held() holder {
	t := New(canary)
	return holder{t, t, []Text{t}, map[string]Text{"a": t}, &t, t}
}

func TestNothingShowsIt(t *testing.T) {
	h := held()
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08.3f", "%p", "%t", "%U", "%T"} {
		out = append(out, fmt.Sprintf(verb, New(canary)), fmt.Sprintf(verb, h), fmt.Sprintf(verb, &h), fmt.Sprintf(verb, []any{h.closed}))
	}
	out = append(out, fmt.Sprint(New(canary)), fmt.Errorf("with %v: %w", h.Open, errors.New(h.Open.String())).Error())
	for _, v := range []any{h, h.Open, &h, map[string]Text{"a": h.Open}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		y, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b), string(y))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("said", "secret", h.Open, "holder", h, "pointer", &h.closed)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("said", "secret", h.Open, "holder", h, "pointer", &h.closed)
	out = append(out, log.String())
	for _, text := range out {
		if strings.Contains(text, "canary") || strings.Contains(text, fmt.Sprintf("%x", "canary")) {
			t.Errorf("the secret is told: %s", text)
		}
	}
	if !strings.Contains(log.String(), "secret=***") {
		t.Errorf("the log says %s", &log)
	}
}

func TestText(t *testing.T) {
	var zero, read Text
	for _, c := range []struct {
		text    Text
		reveals string
		shows   string
		code    string
	}{
		{zero, "", "", `""`},
		{New(""), "", "", `""`},
		{New(canary), canary, "***", `"***"`},
	} {
		if got := c.text.Reveal(); got != c.reveals {
			t.Errorf("it reveals %q, want %q", got, c.reveals)
		}
		if got := c.text.String(); got != c.shows {
			t.Errorf("it shows %q, want %q", got, c.shows)
		}
		if got := fmt.Sprintf("%#v", c.text); got != c.code || c.text.GoString() != c.code {
			t.Errorf("it shows %q in code, want %q", got, c.code)
		}
	}
	if a, again := New("a"), New(strings.Clone("a")); a != again || a == New("b") || zero != New("") {
		t.Error("secrets are not compared by their texts")
	}
	if err := json.Unmarshal([]byte(`"`+canary+`"`), &read); err != nil || read.Reveal() != canary {
		t.Errorf("reads %q, %v", read.Reveal(), err)
	}
	if err := json.Unmarshal([]byte(`"***"`), &read); err == nil || read.Reveal() != canary {
		t.Errorf("a hidden secret is read as %q, %v", read.Reveal(), err)
	}
}
