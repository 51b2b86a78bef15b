package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker in releases (-X main.version=v1.2.3).
var version = ""

type versionCommand struct{}

// Run prints the version, and what it was built from and with.
func (versionCommand) Run(c *command) error {
	_, err := fmt.Fprintf(c.stdout, "processor %s %s %s/%s\n", describeVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// describeVersion prefers the release's version, then the module's, then the
// commit's.
func describeVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "development " + s.Value[:min(12, len(s.Value))]
		}
	}
	return "development"
}
