package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"slices"
	"strings"
)

// headers go with every answer. The page's scripts and styles are files of its
// own, and nobody may frame it.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":  "nosniff",
	"Referrer-Policy":         "no-referrer",
	// What is shown is of this moment; the page says otherwise for its files.
	"Cache-Control": "no-store",
}

// guard stands before every handler.
func (s *Server) guard(next http.Handler) http.Handler {
	hosts := allowedHosts(s.cfg.Listen)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if hosts != nil && !slices.Contains(hosts, hostOf(r.Host)) {
			fail(w, http.StatusMisdirectedRequest, "this server is for requests to localhost; the Host header names another")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// allowedHosts are the names by which a server on loopback may be called, nil
// for any: a page of another site whose name has been pointed at 127.0.0.1 must
// not read what is meant for this machine alone.
func allowedHosts(listen string) []string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil
	}
	host = strings.ToLower(host)
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil
	}
	return []string{"localhost", "127.0.0.1", "::1", host}
}

// hostOf is the host of a Host header, without port and brackets.
func hostOf(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		header = host
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(header, "["), "]"))
}

// authorized lets through who has the token.
func (s *Server) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Token.IsZero() {
			fail(w, http.StatusForbidden, "this server only shows: set server.token in the config to allow actions")
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		// Of digests, a comparison tells nothing, not even the length.
		given := sha256.Sum256([]byte(strings.TrimSpace(token)))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(given[:], s.token[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="processor"`)
			fail(w, http.StatusUnauthorized, "this needs the header Authorization: Bearer TOKEN, with the config's server.token")
			return
		}
		next(w, r)
	}
}
