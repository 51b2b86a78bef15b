// Package secret holds passwords and tokens so that they cannot be shown by
// accident: not by a log line, an error, a marshalled config or %+v.
package secret

import (
	"errors"
	"fmt"
	"log/slog"
	"unique"
)

// mask stands for a secret wherever it would be shown.
const mask = "***"

// Text is a secret text. However it is printed or marshalled it shows "***",
// or nothing if it is empty; Reveal alone gives it away. The zero Text is
// empty. Two are equal (==) if their texts are.
//
// The text is behind a handle because package fmt does not ask the methods of
// what is in an unexported field: it would print a plain string there.
type Text struct {
	text unique.Handle[string]
}

// New makes a secret of a text.
func New(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{unique.Make(text)}
}

// Reveal returns the text, for whom it is meant.
func (t Text) Reveal() string {
	if t.IsZero() {
		return ""
	}
	return t.text.Value()
}

// IsZero reports whether the secret is empty.
func (t Text) IsZero() bool { return t == Text{} }

// String is "***", or empty.
func (t Text) String() string {
	if t.IsZero() {
		return ""
	}
	return mask
}

// GoString is "***" in quotes, or an empty string in quotes.
func (t Text) GoString() string { return fmt.Sprintf("%q", t.String()) }

// Format writes the same for every verb: %q, %x and %#v show no more than %s.
func (t Text) Format(f fmt.State, verb rune) {
	text := t.String()
	if verb == 'q' || f.Flag('#') {
		text = t.GoString()
	}
	_, _ = f.Write([]byte(text)) // fmt's own buffer takes everything
}

// LogValue is what package slog writes.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText writes "***", for JSON and all that goes by texts.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalYAML writes "***".
func (t Text) MarshalYAML() (any, error) { return t.String(), nil }

// UnmarshalText takes the secret. It refuses "***", which is what a marshalled
// secret looks like and hardly what one is.
func (t *Text) UnmarshalText(text []byte) error {
	if string(text) == mask {
		return errors.New(`"***" stands for a secret that was hidden: write the secret itself`)
	}
	*t = New(string(text))
	return nil
}
