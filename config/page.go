package config

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

const pageHead = `# Configuration

<!-- Made from the table of settings in the package config; do not edit. Run go test ./config -update. -->

One YAML file describes a pipeline. ` + "`processor validate --config FILE`" + ` checks it without starting anything,
` + "`processor explain --config FILE`" + ` shows what it would do, and ` + "`processor schema`" + ` prints its JSON Schema for editors
(put ` + "`# yaml-language-server: $schema=schema.json`" + ` in the first line). [reference.yaml](../config/reference.yaml) has every
setting with its default; [processor-dev.yaml](../config/processor-dev.yaml) is a small one to start from.

## Rules

- Unknown keys, wrong types and impossible values are errors. All of them are reported at once, each as
  ` + "`FILE:LINE:COLUMN: what, and what would be right`" + `, before anything starts; the exit code is 2.
- Durations are written as in Go, with days: ` + "`500ms`, `30s`, `1h30m`, `1d12h`; `0` needs no unit." + ` Offsets may be negative: ` + "`\"-15s\"`." + `
- Sizes are bytes, or have a unit: ` + "`4096`, `64KB` (1000), `1MiB` (1024)." + `
- Expressions read fields by dotted paths (` + "`metadata.tenant`; `data[\"a.b\"]` where a name has dots)" + `. A missing field is null.
  Inside ` + "`{…}`" + ` put expressions with commas in quotes: ` + "`{p99: \"percentile(latency_ms, 99)\"}`." + `
- ` + "`${NAME}`" + ` in any text of the file is replaced by the environment variable; an unset one is an error, and ` + "`$${`" + ` stands for
  ` + "`${`" + ` itself. Values that came in this way are not shown in messages.
- Every setting can be overridden from the environment: ` + "`PROCESSOR_`" + ` and the path in capitals with ` + "`__`" + ` between the levels.
  Items of lists go by number from 0, lists of names by comma: ` + "`PROCESSOR_WATERMARK__IDLE_TIMEOUT=10s`,\n  `PROCESSOR_QUERIES__0__ALLOWED_LATENESS=1m`, `PROCESSOR_SINKS__0__QUERIES=a,b`." + ` Such a value is taken as it is, without
  ` + "`${NAME}`" + `. A ` + "`PROCESSOR_`" + ` variable that names no setting is a warning.
  The next number of a list adds an item: with two sinks in the file, ` + "`PROCESSOR_SINKS__2__STDOUT__FORMAT=json`" + ` is a third. Names of
  your own (key fields, aggregates, computed fields, headers) are found in any case; one that is not there is added in small letters:
  ` + "`PROCESSOR_QUERIES__0__KEY__TENANT=metadata.tenant`" + ` adds ` + "`tenant`" + `.
- Relative paths, of data, results and state alike, go by the directory in which the process was started, wherever the file lies.
- Anchors, aliases, tags and a second document are refused, as is a file of more than 1 MiB.
- Sinks without a name are called by their kind, and the second of a kind gets a number: ` + "`file`, `file-2`." + `

## Settings

Names in ` + "`<>`" + ` are yours, ` + "`*`" + ` is the number of an item. *required* has no default.
`

// Page is docs/configuration.md.
func Page() []byte {
	var b bytes.Buffer
	b.WriteString(pageHead)
	for _, s := range declared.children {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", s.Path, s.Doc)
		b.WriteString("| setting | type | default | what it does | example | since |\n|---|---|---|---|---|---|\n")
		writeRows(&b, s)
	}
	return b.Bytes()
}

func writeRows(b *bytes.Buffer, s *setting) {
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", s.Path, cell(s.typeText()), s.defaultText(), cell(s.Doc), code(s.Example), s.Since)
	for _, c := range s.children {
		writeRows(b, c)
	}
}

// typeText says what a setting takes.
func (s *setting) typeText() string {
	switch s.Kind {
	case section:
		out := "settings"
		if s.OneOf {
			out = "one of " + strings.Join(s.alternatives(), ", ")
		}
		if s.Short != "" {
			out += ", or just " + s.Short
		}
		return out
	case list:
		return "list"
	case names:
		return "list of names"
	case exprs:
		if s.ListShort {
			return "name: expression, or a list of fields"
		}
		return "name: " + s.child("").typeText()
	case field:
		return "field"
	case expr:
		return "expression"
	case call:
		return "aggregate"
	case choice:
		return strings.Join(s.Values, " \\| ")
	case boolean:
		return "true or false"
	case integer:
		return "whole number" + s.bounds(itoa64)
	case duration:
		return "duration" + s.bounds(func(i int64) string { return formatDuration(time.Duration(i)) })
	case size:
		return "size" + s.bounds(formatSize)
	case fraction:
		return "number from 0 to 1"
	default:
		if s.PatternDoc != "" && s.Pattern != "." {
			return "text: " + s.PatternDoc
		}
		return "text"
	}
}

func (s *setting) defaultText() string {
	switch {
	case s.Note != "":
		return cell(s.Note)
	case s.Required:
		return "*required*"
	default:
		return code(s.Default)
	}
}

// code formats YAML for a table; empty stays empty.
func code(yaml string) string {
	if yaml == "" {
		return ""
	}
	return "`" + cell(yaml) + "`"
}

// cell keeps text from ending a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, `\|`, "|"), "|", `\|`)
}
