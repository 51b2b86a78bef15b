package secret

import (
	"errors"
	"fmt"
	"strings"
)

// Redact takes texts that must not be seen out of an error: a server may repeat
// in its answer what it was sent. What it returns can be told by errors.Is, and
// not be unwrapped. An error that shows none of the texts, and nil, stay as they
// are; empty texts are passed over.
func Redact(err error, texts ...string) error {
	if err == nil {
		return nil
	}
	before := err.Error()
	after := before
	for _, text := range texts {
		if text != "" {
			after = strings.ReplaceAll(after, text, mask)
		}
	}
	if after == before {
		return err
	}
	return redacted{after, err}
}

// OfHeaders are the texts to take out for headers of a request: each value, and
// what follows a word such as Bearer in it. Those of few characters are no
// secrets, and may be part of any text.
func OfHeaders(headers map[string]Text) []string {
	const few = 4
	var texts []string
	for _, value := range headers {
		whole := value.Reveal()
		for _, text := range []string{whole, whole[strings.LastIndexByte(whole, ' ')+1:]} {
			if len(text) > few {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// redacted is an error whose text is not to be seen.
type redacted struct {
	text string
	err  error
}

func (r redacted) Error() string { return r.text }

// Format writes the text for every verb.
func (r redacted) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.text)) } // fmt's buffer takes everything

func (r redacted) Is(target error) bool { return errors.Is(r.err, target) }
