package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/llm-optimizer/processor/config"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is YAML as a JSON Schema sees it.
func asJSON(text []byte) (any, error) {
	j, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(j))
}

func TestSchemaTakesGoodConfigs(t *testing.T) {
	s := compileSchema(t)
	good, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(good) == 0 {
		t.Fatal("no files in testdata/good", err)
	}
	for _, file := range append(good, "reference.yaml", "processor-dev.yaml", "testdata/contract.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// The converter takes localhost:9092 for a mapping; see joined.
		text = bytes.ReplaceAll(text, []byte("[localhost:9092]"), []byte(`["localhost:9092"]`))
		doc, err := asJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("the schema refuses %s: %v", file, err)
		}
	}
}

// What a schema can see it should: the types, names and numbers. Expressions,
// names of other parts and the YAML itself are the loader's alone.
func TestSchemaRefusesBadConfigs(t *testing.T) {
	s := compileSchema(t)
	for _, pattern := range []string{"unknown-*", "type-*", "missing-*", "oneof-*", "value-duration-no-unit*", "value-enum*", "value-workers*", "value-name*"} {
		files, _ := filepath.Glob("testdata/bad/" + pattern + ".yaml")
		if len(files) == 0 {
			t.Errorf("no files testdata/bad/%s", pattern)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := asJSON(text)
			if err != nil {
				continue // no document to judge
			}
			var invalid *jsonschema.ValidationError
			if err := s.Validate(doc); !errors.As(err, &invalid) {
				t.Errorf("the schema takes %s (%v)", file, err)
			}
		}
	}
}

func TestSchemaDescribesEverySetting(t *testing.T) {
	if n := strings.Count(string(config.Schema()), `"description"`); n < 70 {
		t.Errorf("the schema has %d descriptions, fewer than there are settings", n)
	}
}
