// Command processor runs a stream of LLM events through windowed queries.
//
//	processor --config FILE
//
// Its exit code is 0 after a bounded input is wholly processed or a signal was
// answered, 2 for a bad command line or config, 1 for every other failure.
package main

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much garbage may pile up beside the live heap before it is
// collected. State lies in slabs without pointers, which cost the collector
// next to nothing to mark, so memory is worth more here than rare collections.
// GOGC in the environment overrides it.
const gcPercent = 30

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(command{
		environ: os.Environ(),
		stdin:   os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		live: isTerminal(os.Stderr),
		exit: os.Exit,
	}.run(os.Args[1:]))
}

// isTerminal reports whether a person may be watching the file. It is true of
// a few other devices too, where drawing does no harm.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
