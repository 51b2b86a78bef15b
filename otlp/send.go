package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/llm-optimizer/processor/secret"
)

// newClient makes a client with connections of its own that follows no
// redirections: headers are meant for the server that was named.
func newClient() *http.Client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConns: 2, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// The waits between tries: doubled each time, each drawn between half and whole.
// A server may ask for more, up to longestWait.
const (
	firstWait   = 100 * time.Millisecond
	lastWait    = 10 * time.Second
	longestWait = 5 * time.Minute
)

func backoff(n int) time.Duration {
	d := lastWait
	if n < 8 {
		d = min(lastWait, firstWait<<n)
	}
	return d/2 + rand.N(d/2+1)
}

// failure is a request that was not taken.
type failure struct {
	err error
	// again says that the same request may be taken later, not before after.
	again bool
	after time.Duration
}

// send posts a request until the server takes it, refuses it for good, or ctx
// ends.
func (s *Sink) send(ctx context.Context, body []byte) error {
	body, encoding := s.compress(body)
	wait := s.wait
	if wait == nil {
		wait = backoff
	}
	var last error
	for n := 0; ; n++ {
		failed := s.post(ctx, body, encoding)
		if failed == nil {
			s.trouble.Note(nil)
			return nil
		}
		if ctx.Err() != nil {
			return s.ended(ctx, last)
		}
		last = failed.err
		s.trouble.Note(last)
		if !failed.again {
			return fmt.Errorf("send to %s: %w", s.title(), last)
		}
		if !sleep(ctx, max(wait(n), min(failed.after, longestWait))) {
			return s.ended(ctx, last)
		}
		s.trouble.Retry()
	}
}

// ended is the error of what ctx has ended, with the last reason why it had not
// succeeded before, if there was one.
func (s *Sink) ended(ctx context.Context, last error) error {
	if last == nil {
		return fmt.Errorf("send to %s: %w", s.title(), context.Cause(ctx))
	}
	return fmt.Errorf("send to %s: %w; the last reason: %w", s.title(), context.Cause(ctx), last)
}

func (s *Sink) compress(body []byte) (out []byte, encoding string) {
	if s.Compression == None {
		return body, ""
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body) // a buffer takes everything
	_ = z.Close()
	return b.Bytes(), Gzip
}

// post makes one attempt; nil is success.
func (s *Sink) post(ctx context.Context, body []byte, encoding string) *failure {
	ctx, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return &failure{err: err}
	}
	for name, value := range s.Headers {
		req.Header.Set(name, value.Reveal())
	}
	req.Header.Set("Content-Type", protobuf)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return &failure{err: s.redact(plain(err)), again: !untrusted(err)}
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or is given up
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return &failure{err: s.redact(fmt.Errorf("reading the answer: %w", plain(err))), again: true}
	}
	if resp.StatusCode/100 == 2 {
		s.accepted(resp, answer)
		return nil
	}
	return s.refused(resp, answer)
}

// protobuf is the type of requests and their answers.
const protobuf = "application/x-protobuf"

func isProtobuf(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), protobuf)
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 1 << 20

// plain takes the address and the method off an error of the client.
func plain(err error) error {
	if e := new(url.Error); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// untrusted reports whether the server does not show a certificate that we
// trust, which time does not mend.
func untrusted(err error) bool {
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &verify) || errors.As(err, &record)
}

// refused says what the server said.
func (s *Sink) refused(resp *http.Response, answer []byte) *failure {
	said := string(answer)
	if isProtobuf(resp) {
		said = statusMessage(answer)
	}
	err := fmt.Errorf("the server says %s", resp.Status)
	if said = oneLine(said); said != "" {
		err = fmt.Errorf("the server says %s: %s", resp.Status, said)
	}
	f := &failure{err: s.redact(err)}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		f.again, f.after = true, retryAfter(resp.Header.Get("Retry-After"), time.Now())
	case code == http.StatusNotFound || code == http.StatusMethodNotAllowed:
		f.err = fmt.Errorf("%w: is the endpoint one for OTLP over HTTP? Its port usually is 4318", f.err)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		f.err = fmt.Errorf("%w: check the headers", f.err)
	case code/100 == 3:
		f.err = fmt.Errorf("%w: write the address that it redirects to as the endpoint", f.err)
	}
	return f
}

// retryAfter reads for how long a server wants to be left alone: seconds, or a
// time.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// statusMessage is the message of a google.rpc.Status: its field 2.
func statusMessage(answer []byte) string {
	for len(answer) > 0 {
		field, kind, n := protowire.ConsumeTag(answer)
		if n < 0 {
			return ""
		}
		answer = answer[n:]
		if field == 2 && kind == protowire.BytesType {
			message, _ := protowire.ConsumeString(answer) // empty where it is cut short
			return message
		}
		if n = protowire.ConsumeFieldValue(field, kind, answer); n < 0 {
			return ""
		}
		answer = answer[n:]
	}
	return ""
}

// quiet is how long nothing is said of rejected points after it was.
const quiet = time.Minute

// accepted looks for points that the server has not taken with the rest. Sent
// again they would be refused again.
func (s *Sink) accepted(resp *http.Response, answer []byte) {
	var r collector.ExportMetricsServiceResponse
	if !isProtobuf(resp) || proto.Unmarshal(answer, &r) != nil {
		return
	}
	partial := r.GetPartialSuccess()
	rejected, message := partial.GetRejectedDataPoints(), partial.GetErrorMessage()
	if rejected <= 0 && message == "" {
		return
	}
	s.rejected.Add(max(0, rejected))
	if now := time.Now(); s.Log != nil && now.Sub(s.told) >= quiet {
		s.told = now
		s.Log.Warn("the server has not taken all points of a request", "sink", s.title(),
			"rejected", rejected, "says", s.redact(errors.New(oneLine(message))).Error())
	}
}

// redact takes the values of headers out of what a server says, which may repeat
// what it was sent.
func (s *Sink) redact(err error) error { return secret.Redact(err, secret.OfHeaders(s.Headers)...) }

// sleep waits, and reports whether ctx has let it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
