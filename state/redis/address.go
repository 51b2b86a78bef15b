package redis

import (
	"errors"
	"net"
	"net/url"
	"strings"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

var errURL = errors.New("the URL cannot be read, want redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], " +
	"or rediss:// for TLS; special characters of a password are written %XX")

// options reads the URL. What is wrong with it is not said in detail: the
// parser's messages quote the URL, and with it the password.
func (s *Store) options() (*goredis.Options, error) {
	opt, err := goredis.ParseURL(s.URL)
	if err != nil {
		return nil, errURL
	}
	if s.TLS != nil && opt.TLSConfig != nil {
		name := opt.TLSConfig.ServerName
		opt.TLSConfig = s.TLS.Clone()
		if opt.TLSConfig.ServerName == "" {
			opt.TLSConfig.ServerName = name
		}
	}
	// Trying again is our own matter: only here is it known what may be
	// repeated. Nothing of RESP3 is needed.
	opt.Protocol = 2
	opt.MaxRetries = -1
	opt.DialerRetries = 1
	opt.PipelinePoolSize = -1
	opt.ContextTimeoutEnabled = true
	opt.DisableIdentity = true
	opt.ClientName = "processor"
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// Each read and write ends in time to try again within the patience.
	opt.ReadTimeout = s.patience() / 3
	opt.WriteTimeout = opt.ReadTimeout
	opt.DialTimeout = opt.ReadTimeout
	opt.PoolTimeout = s.patience()
	return opt, nil
}

// address is the URL without user and password, or a stand-in where it cannot
// be told which part is the password.
func (s *Store) address() string {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" && u.Path == "" || u.Opaque != "" {
		return "redis"
	}
	if _, err := goredis.ParseURL(s.URL); err != nil {
		return "redis"
	}
	if u.Scheme == "unix" {
		return "unix://" + u.Path
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "6379"
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port) + strings.TrimRight(u.Path, "/")
}

// secrets are the strings that must not appear in messages.
func (s *Store) secrets(opt *goredis.Options) []string {
	if opt.Password == "" {
		return nil
	}
	list := []string{opt.Password, url.QueryEscape(opt.Password), url.PathEscape(opt.Password)}
	if u, err := url.Parse(s.URL); err == nil && u.User != nil {
		if _, escaped, ok := strings.Cut(u.User.String(), ":"); ok {
			list = append(list, escaped)
		}
	}
	return list
}
