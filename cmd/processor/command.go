package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/alecthomas/kong"

	"github.com/llm-optimizer/processor/config"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// command is one call of the program and what it may touch.
type command struct {
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	// live says that stderr is a terminal, where a progress line can be drawn.
	live bool
	// exit ends the process at once, for a second signal.
	exit func(code int)
}

// cli is the command line.
type cli struct {
	Run      runCommand      `cmd:"" default:"withargs" help:"Run a pipeline (the default)."`
	Validate validateCommand `cmd:"" help:"Check a config and start nothing."`
	Explain  explainCommand  `cmd:"" help:"Show how a config would be executed."`
	Top      topCommand      `cmd:"" help:"Watch a running pipeline in the terminal."`
	Why      whyCommand      `cmd:"" help:"Ask a running pipeline why its windows are open."`
	State    stateCommand    `cmd:"" help:"Look into durable state, check it, copy it, go back."`
	Generate generateCommand `cmd:"" help:"Write synthetic LLM events."`
	Schema   schemaCommand   `cmd:"" help:"Print the JSON Schema of the config, for editors."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
}

// configFlag is what most subcommands take.
type configFlag struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"The YAML config of the pipeline."`
}

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// done carries the exit code of --help out of the parser.
type done int

// run executes a command line and returns its exit code.
func (c command) run(args []string) (code int) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case done:
			code = int(p)
		default:
			panic(p)
		}
	}()
	parser := kong.Must(&cli{},
		kong.Name("processor"),
		kong.Description("A stream of LLM events goes in, correct windowed statistics come out."),
		kong.Writers(c.stdout, c.stderr),
		kong.Exit(func(code int) { panic(done(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	selected, err := parser.Parse(usual(args))
	if err != nil {
		return c.report(explainUsage(parser.Model.Node, args, err))
	}
	return c.report(selected.Run(&c))
}

// report tells of an error and gives its exit code.
func (c command) report(err error) int {
	var bad *config.Error
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &bad):
		fmt.Fprintln(c.stderr, bad)
		return exitUsage
	case errors.As(err, &usage):
		fmt.Fprintln(c.stderr, "processor:", err)
		return exitUsage
	default:
		fmt.Fprintln(c.stderr, "processor:", err)
		return exitFailure
	}
}

// load reads the config; one that cannot be read is a mistake on the command
// line.
func (c *command) load(file string, stdout io.Writer) (*config.Config, error) {
	cfg, err := config.Loader{Environ: c.environ, Stdin: c.stdin, Stdout: stdout}.Load(file)
	var path *fs.PathError
	if errors.As(err, &path) {
		return nil, usageError{err}
	}
	return cfg, err
}
