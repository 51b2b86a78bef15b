package secret

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

func TestRedact(t *testing.T) {
	plain := errors.New("refused")
	if Redact(nil, "x") != nil || Redact(plain, "canary", "") != plain {
		t.Error("an error without a secret is not itself any more")
	}
	err := Redact(fmt.Errorf("auth canary, then canary again: %w", io.EOF), "canary")
	for _, verb := range []string{"%v", "%+v", "%s", "%q", "%#v"} {
		if got := fmt.Sprintf(verb, err); got != "auth ***, then *** again: EOF" {
			t.Errorf("%s shows %q", verb, got)
		}
	}
	if !errors.Is(err, io.EOF) || errors.Unwrap(err) != nil {
		t.Error("it cannot be told by its cause, or can be unwrapped")
	}
}

func TestOfHeaders(t *testing.T) {
	got := OfHeaders(map[string]Text{"authorization": New("Bearer canary"), "x-key": New("second"), "x-none": {}, "x-short": New("gzip")})
	if slices.Sort(got); !slices.Equal(slices.Compact(got), []string{"Bearer canary", "canary", "second"}) {
		t.Errorf("the texts are %q", got)
	}
}
