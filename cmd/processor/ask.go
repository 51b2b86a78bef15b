package main

import (
	"cmp"
	"errors"
	"io"
	"strings"

	"github.com/llm-optimizer/processor/internal/server"
	"github.com/llm-optimizer/processor/internal/top"
)

// askFlags say which running pipeline a command asks.
type askFlags struct {
	Config string `short:"c" placeholder:"FILE" help:"The YAML config of the running pipeline, for its server.listen."`
	URL    string `placeholder:"URL" help:"Where the pipeline answers, instead of what the config says (default: http://127.0.0.1:8080)."`
}

// address is where the pipeline answers.
func (a askFlags) address(c *command) (string, error) {
	if a.URL != "" || a.Config == "" {
		return cmp.Or(a.URL, top.DefaultURL), nil
	}
	cfg, err := c.load(a.Config, io.Discard)
	if err != nil {
		return "", err
	}
	switch {
	case cfg.Server == nil:
		return "", usageError{errors.New("the config has no server section, so nothing answers: add one, such as server: {listen: \"127.0.0.1:8080\"}, and start the pipeline again, or give --url")}
	case strings.HasSuffix(cfg.Server.Listen, ":0"):
		return "", usageError{errors.New("server.listen has port 0, which is another one at each start: give --url with what the log says")}
	}
	return server.URL(cfg.Server.Listen), nil
}
