package config

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Patterns of values that YAML has no type for. They only guide an editor:
// the loader checks more.
const (
	durationPattern = `^[-+]?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h|d))+$|^[-+]?0$|\$\{`
	sizePattern     = `^[0-9]+ ?(B|[kKMGT]B|[KMGT]iB)?$|\$\{`
)

// object is a part of a JSON Schema; encoding/json sorts its keys.
type object map[string]any

// Schema is the JSON Schema (draft 2020-12) of the config, for editors.
func Schema() []byte {
	o := schemaOf(declared)
	o["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	o["title"] = "processor config"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(o); err != nil {
		panic("config: the schema holds only what JSON can: " + err.Error())
	}
	return b.Bytes()
}

func schemaOf(s *setting) object {
	o := schemaOfKind(s)
	if s.Doc != "" {
		o["description"] = s.Doc
	}
	if s.scalar() && s.fallback != nil {
		o["default"] = schemaDefault(s)
	}
	return o
}

func schemaOfKind(s *setting) object {
	switch s.Kind {
	case section:
		return schemaOfSection(s)
	case list:
		o := object{"type": "array", "items": schemaOf(s.child("*"))}
		if s.Required {
			o["minItems"] = 1
		}
		return o
	case names:
		return object{"type": "array", "items": object{"type": "string"}, "minItems": 1, "uniqueItems": true}
	case exprs:
		return schemaOfExprs(s)
	case expr, call:
		return object{"type": []string{"string", "boolean", "number"}}
	case choice:
		values := s.Values
		if s.Off {
			values = append([]string{""}, values...)
		}
		return object{"anyOf": []object{{"enum": values}, reference()}}
	case boolean:
		return object{"anyOf": []object{{"type": "boolean"}, reference()}}
	case integer:
		return object{"anyOf": []object{{"type": "integer", "minimum": s.Min, "maximum": s.Max}, reference()}}
	case duration:
		return object{"anyOf": []object{{"type": "string", "pattern": durationPattern}, {"const": 0}}}
	case size:
		return object{"anyOf": []object{{"type": "integer", "minimum": s.Min, "maximum": s.Max}, {"type": "string", "pattern": sizePattern}}}
	case fraction:
		return object{"anyOf": []object{{"type": "number", "minimum": 0, "maximum": 1}, reference()}}
	default:
		o := object{"type": "string"}
		if s.Pattern != "" && s.Pattern != "." {
			o["pattern"] = s.Pattern + `|\$\{`
		}
		return o
	}
}

// reference is a value that the environment brings.
func reference() object { return object{"type": "string", "pattern": `\$\{`} }

func schemaOfSection(s *setting) object {
	properties, required := object{}, []string{}
	for _, c := range s.children {
		properties[c.name()] = schemaOf(c)
		if c.Required {
			required = append(required, c.name())
		}
	}
	o := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) == 0 && !s.OneOf {
		o["type"] = []string{"object", "null"}
	}
	if len(required) > 0 {
		o["required"] = required
	}
	if s.OneOf {
		alternatives := s.alternatives()
		one := make([]object, 0, len(alternatives))
		for _, name := range alternatives {
			one = append(one, object{"required": []string{name}})
		}
		o["oneOf"] = one
	}
	switch {
	case s.Short != "":
		return object{"anyOf": []object{o, schemaOf(s.child(s.Short))}}
	case s.Off:
		return object{"anyOf": []object{o, {"type": []string{"object", "null"}, "maxProperties": 0}}}
	}
	return o
}

func schemaOfExprs(s *setting) object {
	o := object{"type": "object", "additionalProperties": schemaOf(s.child(""))}
	if s.Required {
		o["minProperties"] = 1
	}
	if s.ListShort {
		return object{"anyOf": []object{o, {"type": "array", "items": object{"type": "string"}, "uniqueItems": true}}}
	}
	return o
}

// schemaDefault is the default as JSON.
func schemaDefault(s *setting) any {
	switch s.Kind {
	case boolean, integer, fraction:
		return json.RawMessage(s.Default)
	case size:
		if strings.Trim(s.Default, "0123456789") == "" {
			return json.RawMessage(s.Default)
		}
	default:
	}
	return s.Default
}
