package tracing

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/secret"
)

// A collector may say which token it does not know, without the word before it.
func TestATokenIsNotInTheLog(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "nobody has the token "+token)
	}))
	defer s.Close()
	var log bytes.Buffer
	tr, err := New(t.Context(), Config{
		Endpoint: s.URL, Headers: map[string]secret.Text{"authorization": secret.New("Bearer " + canary)}, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tr.Tracer().Start(t.Context(), "epoch")
	span.End()
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "lost=1") || !strings.Contains(text, "nobody has the token") || strings.Contains(text, canary) {
		t.Errorf("the log has\n%s", text)
	}
}
