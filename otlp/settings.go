package otlp

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/llm-optimizer/processor/secret"
)

// CheckEndpoint says what is wrong with an address.
func CheckEndpoint(endpoint string) error {
	_, err := metricsURL(endpoint)
	return err
}

// metricsURL is where metrics are sent.
func metricsURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return "", errors.New("it is no URL: write one such as http://localhost:4318") // the parser's message would show a password
	case u.User != nil:
		return "", errors.New("it has a user or password: send them as a header instead, such as Authorization")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fmt.Errorf("%q is no address of an HTTP server: write one such as http://localhost:4318", endpoint)
	case u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("%q has a query or fragment, which an endpoint cannot have", endpoint)
	case strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/v1/metrics"):
		return "", fmt.Errorf("%q has the path /v1/metrics already, which is added: leave it out", endpoint)
	}
	return u.JoinPath("v1", "metrics").String(), nil
}

// ours are the headers that a request has anyway.
var ours = map[string]bool{
	"Content-Type": true, "Content-Encoding": true, "Content-Length": true, "Host": true, "Transfer-Encoding": true, "Connection": true,
}

// headerName is a token of HTTP.
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// CheckHeaders says what is wrong with headers.
func CheckHeaders(headers map[string]secret.Text) error {
	for name, value := range headers {
		switch {
		case !headerName.MatchString(name):
			return fmt.Errorf("%q is no name of a header", name)
		case ours[http.CanonicalHeaderKey(name)]:
			return fmt.Errorf("%s is set by the sink itself", name)
		case strings.ContainsFunc(value.Reveal(), isControl):
			return fmt.Errorf("the value of %s has characters that a header cannot have, such as the end of a line", name)
		}
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
