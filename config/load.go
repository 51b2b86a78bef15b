// Package config reads a pipeline from a YAML file and the environment. All
// that is wrong is reported at once, each with its place and with what would
// be right, before anything starts.
//
// One table declares every setting; the checks, the JSON Schema and the pages
// of documentation are made from it.
package config

//go:generate go test . -run TestPagesAreFresh -update

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	_ "time/tzdata" // calendar windows know every zone on machines without zone files

	"github.com/llm-optimizer/processor/internal/logging"
	"github.com/llm-optimizer/processor/pipeline"
)

// Config is a pipeline as a file and the environment describe it.
type Config struct {
	// File is the name of the file.
	File string
	// Spec is the pipeline. What is not of the file, such as a Logger or
	// operators in Go, may be set before Build.
	Spec pipeline.Spec
	// Server says where the process can be watched; nil: nowhere.
	Server *Server
	// LogLevel and LogJSON are the log settings. The level may be set anew while
	// loggers that Logger has made are in use.
	LogLevel *slog.LevelVar
	LogJSON  bool
	// Telemetry says where spans go; nil sends none.
	Telemetry *Telemetry
	// Warnings are remarks that need not stop anyone, such as environment
	// variables that look like settings and are none.
	Warnings []string

	root   *node
	logged []**slog.Logger
}

// Loader reads configs. The zero Loader sees no environment variables and
// gives the sources and sinks of standard streams os.Stdin and os.Stdout.
type Loader struct {
	// Environ holds the variables, as os.Environ gives them.
	Environ []string
	// Stdin and Stdout are what the stdin source and the stdout sink use; nil
	// means those of the process.
	Stdin  io.Reader
	Stdout io.Writer
}

// Load reads a config with the variables of environ, as os.Environ gives them.
// The error is an *Error unless the file could not be read.
func Load(path string, environ []string) (*Config, error) {
	return Loader{Environ: environ}.Load(path)
}

// Load reads a config file. The error is an *Error unless the file could not
// be read.
func (o Loader) Load(path string) (*Config, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return o.Parse(path, text)
}

// readFile reads a little more than a config may have, whatever the size.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the config: %w", err)
	}
	return text, nil
}

// loader is one run of a Loader.
type loader struct {
	file    string
	environ map[string]string
	stdin   io.Reader
	stdout  io.Writer

	// root is the tree, from when it was read.
	root     *node
	problems []Problem
	warnings []string
	// unset are the paths of texts with a ${NAME} that could not be replaced:
	// nothing else can be said of them.
	unset map[string]bool
	// logged are the loggers of what was made, set when there is one.
	logged []**slog.Logger
}

// Parse reads a config from text; file is its name in messages. The error is
// an *Error.
func (o Loader) Parse(file string, text []byte) (*Config, error) {
	l := &loader{file: file, environ: environment(o.Environ), stdin: o.Stdin, stdout: o.Stdout, unset: map[string]bool{}}
	if l.stdout == nil {
		l.stdout = os.Stdout
	}
	root := l.readYAML(text)
	if root == nil {
		return nil, l.err()
	}
	l.root = root
	l.shape(root, declared, "")
	l.applyEnvironment(root)
	l.expand(root, "")
	l.applyPreset(root)
	l.check(root, declared, "")
	v := view{n: root, s: declared}
	c := &Config{File: file, Spec: l.spec(v), Server: l.server(v.at("server")), LogLevel: new(slog.LevelVar), root: root}
	c.logged = l.logged
	c.LogLevel.Set(logLevels[v.at("log").text("level")])
	c.LogJSON = v.at("log").text("format") == "json"
	c.Telemetry = l.telemetry(v.at("telemetry"))
	if len(l.problems) > 0 {
		// What Build would find is told with the rest.
		_, err := pipeline.Build(c.Spec)
		l.judge(err)
		return nil, l.err()
	}
	l.remark(&c.Spec)
	c.Warnings = l.warnings
	return c, nil
}

// Build validates and plans the pipeline; its state gets the Logger of the Spec
// too. What it finds wrong is an *Error with places in the file.
func (c *Config) Build() (*pipeline.Pipeline, error) {
	logTo(c.Spec.State.Store, c.Spec.Logger)
	for _, log := range c.logged {
		*log = c.Spec.Logger
	}
	p, err := pipeline.Build(c.Spec)
	if err == nil {
		return p, nil
	}
	l := &loader{file: c.File, root: c.root}
	if !l.judge(err) {
		return nil, err
	}
	return nil, l.err()
}

// durationsAsText has durations in JSON as people and the text format write them
// ("1.5s"), not as a number of nanoseconds.
func durationsAsText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// Logger makes a logger as the config says. It writes a message that comes again
// and again a few times and then how often it came; logging.Flush, at the end,
// says what is left to say.
func (c *Config) Logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{}
	if c.LogLevel != nil {
		o.Level = c.LogLevel
	}
	if c.LogJSON {
		o.ReplaceAttr = durationsAsText
		return slog.New(logging.New(slog.NewJSONHandler(w, o)))
	}
	return slog.New(logging.New(slog.NewTextHandler(w, o)))
}
