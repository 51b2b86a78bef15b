package config

import "slices"

const (
	sinkNamePattern = `^[A-Za-z0-9_-]{1,63}$`
	sinkNameDoc     = "up to 63 letters, digits, _ and -"
)

// sinkSettings say where results go.
var sinkSettings = []setting{
	{Path: "sinks", Kind: list, Required: true, Since: first,
		Doc: "Where results go: one or more, each of exactly one kind."},
	{Path: "sinks.*", Kind: section, OneOf: true, Since: first,
		Doc: "A sink: its kind, and beside the kind its name, queries and meta."},
	{Path: "sinks.*.name", Kind: text, Note: "the kind", Since: first, Example: "archive",
		Pattern: sinkNamePattern, PatternDoc: sinkNameDoc,
		Doc: "Names the sink in messages and in the state, which keeps its place in the results. Each sink has a name of its own."},
	{Path: "sinks.*.queries", Kind: names, Note: "all queries", Since: first, Example: "[model_minute]",
		Doc: "The queries whose results the sink gets."},
	{Path: "sinks.*.meta", Kind: boolean, Default: "false", Since: first, Example: "true",
		Doc: "Add events, watermark and emitted_at to each result."},
}

// sideOutput declares a setting that takes a single sink.
func sideOutput(path, what, doc string) []setting {
	return slices.Concat([]setting{
		{Path: path, Kind: section, OneOf: true, Note: "counted and sampled", Since: first, Example: "{file: {path: out/" + what + ".jsonl}}",
			Doc: doc},
		{Path: path + ".name", Kind: text, Note: path, Since: first, Example: what,
			Pattern: sinkNamePattern, PatternDoc: sinkNameDoc,
			Doc: "Names the sink in messages and in the state."},
	}, sinkKinds(path, what))
}

// sinkKinds declares the kinds of sink below a path.
func sinkKinds(path, what string) []setting {
	return slices.Concat([]setting{
		{Path: path + ".stdout", Kind: section, Since: first, Example: "{format: table}",
			Doc: "Standard output."},
		{Path: path + ".stdout.format", Kind: choice, Default: "table", Values: []string{"table", "json"}, Since: first, Example: "json",
			Doc: "A table for people, or one JSON object a line."},
		{Path: path + ".file", Kind: section, Since: first, Example: "{path: out/" + what + ".jsonl}",
			Doc: "A file of one JSON object a line. Missing directories are made."},
		{Path: path + ".file.path", Kind: text, Required: true, Since: first, Example: "out/" + what + ".jsonl",
			Pattern: `.`, PatternDoc: "some text",
			Doc: "The file."},
		{Path: path + ".file.on_existing", Kind: choice, Default: "append", Note: "append with state in memory, else refuse",
			Values: []string{"append", "truncate", "refuse"}, Since: first, Example: "refuse",
			Doc: "What to do when the file exists and is not empty. A durable state that knows the file goes on where it was, whatever is set here."},
	}, kafkaSink(path, what), postgresSink(path, what), metricSinks(path, what))
}
