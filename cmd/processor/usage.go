package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/llm-optimizer/processor/internal/suggest"
)

// usual translates what people try on any program: --version, help and help
// COMMAND.
func usual(args []string) []string {
	switch {
	case len(args) == 1 && args[0] == "--version":
		return []string{"version"}
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	}
	return args
}

// What the parser says of a command line that it cannot take. Its suggestions
// are dropped: they are flags of any letters, such as -h for --x.
var (
	unknownFlag   = regexp.MustCompile(`^(unknown flag -{1,2}([^\s,]+))(?:, did you mean .*)?$`)
	unexpectedArg = regexp.MustCompile(`^(unexpected argument ([^\s,]+))(?:, did you mean .*)?$`)
	flagAtTheEnd  = regexp.MustCompile(`^--(\S+): expected .* but got "EOL"`)
	noTime        = regexp.MustCompile(`^(--\S+): parsing time ("[^"]*")`)
	noDuration    = regexp.MustCompile(`^(--\S+): expected duration but got ("[^"]*")`)
	noNumber      = regexp.MustCompile(`^(--\S+): expected (?:a valid 64 bit u?int|a float) but got ("[^"]*")`)
)

// explainUsage says what is wrong with a command line, what would be right, and
// where that is described.
func explainUsage(app *kong.Node, args []string, err error) error {
	command := app
	var parse *kong.ParseError
	if errors.As(err, &parse) {
		for _, p := range parse.Context.Path {
			if p.Command != nil {
				command = p.Command
			}
		}
	}
	help := command.FullPath()
	if command == app.DefaultCmd && (len(args) == 0 || args[0] != command.Name) {
		help = app.Name // no command was named: it may be that which is wrong
	}
	if command == app {
		command = app.DefaultCmd
	}
	return usageError{fmt.Errorf("%s; see %s --help", sayUsage(app, command, err.Error()), help)}
}

// sayUsage is what the parser says, in words that tell what to do.
func sayUsage(app, command *kong.Node, said string) string {
	if m := unknownFlag.FindStringSubmatch(said); m != nil {
		return m[1] + didYouMean("--", m[2], flagsOf(command))
	}
	if m := unexpectedArg.FindStringSubmatch(said); m != nil {
		if looksLikeConfig(m[2]) && slices.Contains(flagsOf(command), "config") {
			return m[1] + ": write --config " + m[2]
		}
		commands := command.Children
		if command == app.DefaultCmd {
			commands = app.Children
		}
		var names []string
		for _, c := range commands {
			names = append(names, c.Name)
		}
		return m[1] + didYouMean("", m[2], names)
	}
	if m := flagAtTheEnd.FindStringSubmatch(said); m != nil {
		return "--" + m[1] + needs(command, m[1])
	}
	for _, c := range []struct {
		wrong   *regexp.Regexp
		instead string
	}{
		{noTime, "no time: write one such as 2026-01-31T08:00:00Z"},
		{noDuration, "no duration: write one such as 500ms, 30s or 5m"},
		{noNumber, "no number that is allowed here"},
	} {
		if m := c.wrong.FindStringSubmatch(said); m != nil {
			return fmt.Sprintf("%s: %s is %s", m[1], m[2], c.instead)
		}
	}
	return said
}

func didYouMean(before, word string, candidates []string) string {
	if near := suggest.Nearest(word, candidates); near != "" {
		return ": did you mean " + before + near + "?"
	}
	return ""
}

func looksLikeConfig(word string) bool {
	switch filepath.Ext(word) {
	case ".yaml", ".yml":
		return true
	}
	info, err := os.Stat(word)
	return err == nil && info.Mode().IsRegular()
}

func flagsOf(command *kong.Node) (names []string) {
	for _, group := range command.AllFlags(true) {
		for _, f := range group {
			names = append(names, f.Name)
		}
	}
	return names
}

// needs says what has to follow a flag.
func needs(command *kong.Node, flag string) string {
	for _, group := range command.AllFlags(true) {
		for _, f := range group {
			if f.Name == flag && f.PlaceHolder != "" {
				what := map[string]string{"FILE": "a file", "DIR": "a directory"}[f.PlaceHolder]
				if what == "" {
					what = "a value"
				}
				return " needs " + what + ": --" + flag + " " + f.PlaceHolder
			}
		}
	}
	return " needs a value"
}
