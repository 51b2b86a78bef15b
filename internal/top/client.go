package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
)

// DefaultURL is where a pipeline on the same machine is looked for.
const DefaultURL = "http://127.0.0.1:8080"

const (
	// askTimeout bounds one question: a process that hangs is to be told from
	// one that works.
	askTimeout = 5 * time.Second
	// maxAnswer bounds what an answer may take in memory, whoever gives it.
	maxAnswer = 32 << 20
)

// API is what a running pipeline can be asked.
type API interface {
	Status(ctx context.Context) (pipeline.Status, error)
	Why(ctx context.Context, limit int) (pipeline.Why, error)
	// Results are the newest rows of a query, the newest last.
	Results(ctx context.Context, query string, limit int) (Results, error)
}

// Results are the last rows of a query.
type Results struct {
	Rows []Row `json:"results"`
	// Dropped is how many older ones are not kept any more.
	Dropped int64 `json:"dropped"`
}

// Row is a result as far as it is shown.
type Row struct {
	Query string `json:"query"`
	// Start and End are nil for a global window.
	Start  *time.Time `json:"window_start"`
	End    *time.Time `json:"window_end"`
	Timing string     `json:"timing"`
	Firing int64      `json:"firing"`
	// Key and Values are JSON objects in the order of the query.
	Key    json.RawMessage `json:"key"`
	Values json.RawMessage `json:"values"`
}

// Client asks over HTTP. It is safe for several goroutines.
type Client struct {
	base string
	http *http.Client
}

// NewClient makes a client for the address of a running pipeline, such as
// http://127.0.0.1:8080.
func NewClient(address string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the address %q is not of the form http://HOST:PORT", address)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the address %q has more than a path: give http://HOST:PORT", address)
	}
	return &Client{
		base: strings.TrimRight(u.String(), "/"),
		http: &http.Client{
			Timeout:   askTimeout,
			Transport: http.DefaultTransport.(*http.Transport).Clone(),
			// What is asked for is there or not; another place is a mistake.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Address is where the client asks, without a password.
func (c *Client) Address() string {
	if u, err := url.Parse(c.base); err == nil {
		return u.Redacted()
	}
	return c.base
}

// Close gives idle connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks how the pipeline is.
func (c *Client) Status(ctx context.Context) (s pipeline.Status, err error) {
	err = c.get(ctx, "/api/v1/status", &s)
	return s, err
}

// Why asks why windows are open, for at most limit of them.
func (c *Client) Why(ctx context.Context, limit int) (w pipeline.Why, err error) {
	err = c.get(ctx, "/api/v1/why?limit="+strconv.Itoa(limit), &w)
	return w, err
}

// Results asks for the newest rows of a query.
func (c *Client) Results(ctx context.Context, query string, limit int) (r Results, err error) {
	err = c.get(ctx, "/api/v1/queries/"+url.PathEscape(query)+"/results?limit="+strconv.Itoa(limit), &r)
	return r, err
}

// get reads the answer to one question into v.
func (c *Client) get(ctx context.Context, path string, v any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return plain(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return plain(err)
	case len(body) > maxAnswer:
		return fmt.Errorf("the answer is longer than %s", Bytes(maxAnswer))
	case response.StatusCode != http.StatusOK:
		return refusal(response.Status, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("the answer is not that of a processor: %w; is it the address of server.listen?", err)
	}
	return nil
}

// refusal is the error that a server tells of.
func refusal(status string, body []byte) error {
	var told struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &told) == nil && told.Error != "" {
		return fmt.Errorf("it answers %s: %s", status, told.Error)
	}
	return fmt.Errorf("it answers %s; is it the address of server.listen?", status)
}

// plain drops what a client says about itself: the address stands elsewhere.
func plain(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		if wrapped.Timeout() {
			return fmt.Errorf("no answer within %v: %w", askTimeout, context.DeadlineExceeded)
		}
		return wrapped.Err
	}
	return err
}
