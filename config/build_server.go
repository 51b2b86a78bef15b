package config

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-optimizer/processor/secret"
)

// Server says where the process can be watched, over HTTP.
type Server struct {
	// Listen is the address, host:port.
	Listen string
	// Token is what actions need; without one they are refused.
	Token secret.Text
}

// server reads the section server; nil without one.
func (l *loader) server(v view) *Server {
	if !v.given() {
		return nil
	}
	s := &Server{Listen: v.text("listen")}
	l.checkPort(v.at("listen"))
	switch token := v.at("token"); {
	case token.value() == nil:
	case token.value() != "":
		s.Token = l.secret(token)
	case len(token.n.secrets) > 0:
		names := slices.Sorted(maps.Keys(token.n.secrets))
		l.add(token.path, token.place(), `the environment variable %s is empty; put the token into it, or write token: "" to have actions refused`, strings.Join(names, " and "))
	}
	if f := v.at("token_file"); f.given() {
		s.Token = l.secretFile(f, v.at("token"))
		if s.Token.IsZero() && l.sound(f.path) {
			l.add(f.path, f.place(), "the file is empty; write the token into it")
		}
	}
	return s
}

// checkPort looks at what the pattern of an address cannot.
func (l *loader) checkPort(v view) {
	if !v.given() || !l.sound(v.path) {
		return
	}
	text, _ := v.value().(string)
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		l.add(v.path, v.place(), "%s is no address; write HOST:PORT, and an IPv6 address in brackets", v.n.quote())
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n > 65535 {
		l.add(v.path, v.place(), "%s has no such port; give one from 1 to 65535, or 0 for any that is free", v.n.quote())
	}
}
