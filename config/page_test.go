package config_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/llm-optimizer/processor/config"
)

var update = flag.Bool("update", false, "rewrite the files that are made from the table of settings, and the expected messages")

func TestPagesAreFresh(t *testing.T) {
	for file, want := range map[string][]byte{
		"schema.json":              config.Schema(),
		"reference.yaml":           config.Reference(),
		"../docs/configuration.md": config.Page(),
	} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s is stale: run go test ./config -update", file)
		}
	}
}
