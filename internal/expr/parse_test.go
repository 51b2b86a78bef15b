package expr

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestCanonicalText(t *testing.T) {
	tests := []struct{ src, want string }{
		{`type == "performance_metrics" && latency_ms > 0`, `type == "performance_metrics" && latency_ms > 0`},
		{`a['b'].c["d e"]`, `a.b.c["d e"]`},
		{`$env["weird name"].x`, `$env["weird name"].x`},
		{`$env["in"]`, `$env["in"]`},
		{`$env.let`, `$env["let"]`},
		{`$env["NULL"]`, `$env["NULL"]`},
		{`$env["plain"]`, `plain`},
		{`metadata.not`, `metadata["not"]`},
		{`$key + $header.x`, `$key + $header.x`},
		{`if > 0 and else < 1`, `if > 0 && else < 1`},
		{`a and b or not c`, `a && b || !c`},
		{`a && (b && c)`, `a && b && c`},
		{`(a || b) && c`, `(a || b) && c`},
		{`a || (b || (c || d))`, `a || b || c || d`},
		{`nil == a`, `a == null`},
		{`is_null(a)`, `a == null`},
		{`null != a + b`, `a + b != null`},
		{`null < a`, `null < a`},
		{`(a == b) == c`, `(a == b) == c`},
		{`a == b == c`, `(a == b) == c`},
		{`1 < a < 5`, `1 < a && a < 5`},
		{`1 < a <= b < 5`, `1 < a && a <= b && b < 5`},
		{`a - (b - c) - d`, `a - (b - c) - d`},
		{`a * (b + c) / d`, `a * (b + c) / d`},
		{`(a ** b) ** c ^ d`, `(a ** b) ** (c ** d)`},
		{`-a * -b`, `-a * -b`},
		{`-(a ** 2)`, `-(a ** 2)`},
		{`(-2) ** 2`, `(-2) ** 2`},
		{`- -2 + +3`, `2 + 3`},
		{`-(-a)`, `-(-a)`},
		{`-0`, `0`},
		{`1.50 + 0x1F + 1_000 + 1e3 + .5`, `1.5 + 31 + 1000 + 1000 + 0.5`},
		{`1e300 + 1e20 + 1e-9 + 1152921504606846976`, `1e+300 + 1e+20 + 1e-09 + 1152921504606846976`},
		{`-9223372036854775807`, `-9223372036854775807`},
		{`!(a == b)`, `!(a == b)`},
		{`(!a) == b`, `(!a) == b`},
		{`!!a`, `!(!a)`},
		{`!a[b ? "x" : "y"]`, ``},
		{`a not in ['x', -1, true]`, `!(a in ["x", -1, true])`},
		{`a not contains "x"`, `!(a contains "x")`},
		{`a matches 'b+' && c startsWith d`, `a matches "b+" && c startsWith d`},
		{`a ?? b ?? "c\n\""`, `coalesce(a, b, "c\n\"")`},
		{`coalesce(a, coalesce(b, c), d)`, `coalesce(a, b, c, d)`},
		{`a ? b : c ? d : e`, `a ? b : (c ? d : e)`},
		{`(a ? b : c) ? (d) : e`, `(a ? b : c) ? d : e`},
		{`a || b ? c : d`, `a || b ? c : d`},
		{`(a ? b : c) + 1`, `(a ? b : c) + 1`},
		{`max(a ? b : c, min(1, -2))`, `max(a ? b : c, min(1, -2))`},
		{`a // a comment`, `a`},
		{"`raw \"x\"` + a", `"raw \"x\"" + a`},
		// Names of the library's functions are fields unless they are called.
		{`count + len + type + filter + first + duration + now + map + date`,
			`count + len + type + filter + first + duration + now + map + date`},
		{`len(len) + now.x`, `len(len) + now.x`},
	}
	for _, test := range tests {
		e, err := Parse(test.src)
		if test.want == "" {
			if err == nil {
				t.Errorf("%s: got %s, want an error", test.src, e)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.src, err)
			continue
		}
		if e.String() != test.want {
			t.Errorf("%s: got %s, want %s", test.src, e, test.want)
		}
		if again := mustParse(t, e.String()); again.String() != test.want {
			t.Errorf("%s: parsed again it is %s", e, again)
		}
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		src          string
		line, column int
		message      string
	}{
		{``, 1, 1, "expression is empty"},
		{"  \n ", 2, 2, "expression is empty"},
		{`a = 1`, 1, 3, "use == to compare"},
		{`a & b`, 1, 3, "use && for"},
		{`a AND b`, 1, 3, "use && or and"},
		{`a <> b`, 1, 4, "use != for unequal"},
		{`a > > b`, 1, 5, "unexpected >: an operator"},
		{`a IS null`, 1, 3, "use == null"},
		{`a LIKE "x"`, 1, 3, "use contains"},
		{`a "x"`, 1, 3, `unexpected "x"`},
		{`a >`, 1, 4, "ends too early"},
		{`(a > 1`, 1, 7, "ends too early"},
		{`a > 1)`, 1, 6, "unexpected )"},
		{"a > 1 &&\n  b == 'x", 2, 10, "string is not closed"},
		{"a > 1 &&\n  b ==", 2, 7, "ends too early"},
		{"a > 1 &&\n  foo(b)", 2, 3, "unknown function foo; the functions are abs, ceil, coalesce"},
		{`"ä" + foo(b)`, 1, 7, "unknown function foo"},
		{`a == "\q"`, 1, 8, "unknown escape"},
		{`a == "\400"`, 1, 11, "unknown escape"},
		{`a. == 1`, 1, 4, "a name must follow the dot"},
		{`a @ b`, 1, 3, `odd field names as $env["name"]`},
		{`a == 9223372036854775808`, 1, 6, "at most 9223372036854775807"},
		{`a == 1e999`, 1, 6, "number is too large"},
		{`a == 12abc`, 1, 8, "bad number"},
		{`a ?? b + 1`, 1, 8, "write coalesce(a, b)"},
		{`in > 5`, 1, 1, `written $env["in"]`},
		{`let x = 1; x`, 1, 1, "let is not supported"},
		{`a; b`, 1, 2, "remove the semicolon"},
		{`a | lower()`, 1, 3, "pipes are not supported"},
		{`a?.b`, 1, 2, "?. is not needed"},
		{`a in 1..5`, 1, 7, "ranges are not supported"},
		{`::len(a)`, 1, 1, ":: is not supported"},
		{`filter(a, #.x > 1)`, 1, 11, "closures are not supported"},
		{`{"a": 1}`, 1, 1, "braces are not supported"},
		{`if a { b } else { c }`, 1, 6, "cond ? a : b"},
		{`a == b"x"`, 1, 6, "bytes literals"},
		{`a == [1]`, 1, 6, "a list can only stand after in"},
		{`a in b`, 1, 6, "a list of literals must follow in"},
		{`a in [b]`, 1, 7, "strings, numbers, true and false only"},
		{`a in [null]`, 1, 7, "strings, numbers, true and false only"},
		{`a in [foo()]`, 1, 7, "unknown function foo"},
		{`a[0]`, 1, 2, "arrays cannot be indexed"},
		{`a[b]`, 1, 2, "arrays cannot be indexed"},
		{`a[1:2]`, 1, 2, "slices are not supported"},
		{`a.b()`, 1, 3, "values have no methods"},
		{`(a + b).c`, 1, 4, "only fields have members"},
		{`lower(a).b`, 1, 1, "only fields have members"},
		{`$env`, 1, 1, "the whole event"},
		{`a == NULL`, 1, 6, "write null for the literal"},
		{`a == True`, 1, 6, "write true for the literal"},
		{`null.a`, 1, 1, "null is not a field"},
		{`+a`, 1, 1, "leave it out"},
		{`a matches b`, 1, 11, "a pattern in quotes"},
		{`a matches "("`, 1, 11, "RE2"},
		{`!a == "x"`, 1, 1, "put what it negates in parentheses"},
		{`b && not a in ["x"]`, 1, 6, "put what it negates in parentheses"},
		{`(not (a) == b)`, 1, 2, "put what it negates in parentheses"},
		{`1 < a + b < 5`, 1, 11, "a < b && b < c"},
		{`a ?: b`, 1, 1, "coalesce"},
		{`sum(a) > 5`, 1, 1, "sum is an aggregate"},
		{`p95(a)`, 1, 1, "p95 is an aggregate"},
		{`count(a, .x)`, 1, 10, "unexpected ."},
		{`lower()`, 1, 1, "lower takes 1 argument, not 0"},
		{`lower(a, b)`, 1, 1, "lower takes 1 argument, not 2"},
		{`min(a)`, 1, 1, "min takes 2 or more arguments, not 1"},
		{`coalesce()`, 1, 1, "1 or more arguments"},
		{"a == \"\xff\"", 1, 1, "not valid UTF-8"},
		{`a + ` + strings.Repeat("(b + ", 101) + "c" + strings.Repeat(")", 101), 1, 508, "nested more than 100 deep"},
		{strings.Repeat("!", 102) + "a", 1, 102, "nested more than 100 deep"},
		{strings.Repeat("ä", 10_001), 1, 10_001, "10001 characters, at most 10000"},
	}
	for _, test := range tests {
		_, err := Parse(test.src)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.60s: got %v, want an *Error", test.src, err)
			continue
		}
		if e.Line != test.line || e.Column != test.column || !strings.Contains(e.Message, test.message) {
			t.Errorf("%.60s: got %d:%d %s, want %d:%d %s", test.src, e.Line, e.Column, e.Message, test.line, test.column, test.message)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		err  Error
		want string
	}{
		{Error{Line: 1, Column: 4, Message: "m"}, "column 4: m"},
		{Error{Line: 2, Column: 4, Message: "m"}, "line 2, column 4: m"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestLongChains(t *testing.T) {
	for _, join := range []string{" && ", " + ", " || ", " - "} {
		src := strings.Repeat("a"+join, 2_000) + "a"
		if got := mustParse(t, strings.ReplaceAll(src, " ", "")).String(); got != src {
			t.Errorf("a chain of%sis changed: %.80s…", join, got)
		}
	}
}

func TestSharedMiddleDoesNotExplode(t *testing.T) {
	src := "x"
	for range 60 {
		src = "0 < (" + src + ") < 1"
	}
	if _, err := Parse(src); err == nil {
		t.Error("a nest of chained comparisons was accepted")
	}
}

func TestFieldsAndUses(t *testing.T) {
	tests := []struct {
		src    string
		want   Use
		fields string
		uses   []Use
	}{
		{`a`, useBoth, "a", []Use{useBoth}},
		{`a`, Use{}, "a", []Use{{}}},
		{`type == "x" && latency > 0`, Use{}, "type latency", []Use{useText, useNumeric}},
		{`b > 1 || a == "x" || b == "y"`, Use{}, "b a", []Use{useBoth, useText}},
		{`a == b`, Use{}, "a b", []Use{useBoth, useBoth}},
		{`a == b + 1`, Use{}, "a b", []Use{useBoth, useNumeric}},
		{`a == lower(b)`, Use{}, "a b", []Use{useText, useText}},
		{`a == 9007199254740993`, Use{}, "a", []Use{useBoth}},
		{`a == true || b == null || !c`, Use{}, "a b c", []Use{{}, {}, {}}},
		{`a in [1] || b in ["x"] || c in [true] || d in [9007199254740993]`, Use{}, "a b c d",
			[]Use{useNumeric, useText, {}, useText}},
		{`a + b`, useNumeric, "a b", []Use{useNumeric, useNumeric}},
		{`a + b`, useBoth, "a b", []Use{useBoth, useBoth}},
		{`a + "x"`, useBoth, "a", []Use{useText}},
		{`a + "x"`, useNumeric, "a", []Use{{}}},
		{`a + 1`, useBoth, "a", []Use{useNumeric}},
		{`a * b == null`, Use{}, "a b", []Use{useNumeric, useNumeric}},
		{`coalesce(a, b.c, "x")`, useText, "a b.c", []Use{useText, useText}},
		{`a ? b : c`, useNumeric, "a b c", []Use{{}, useNumeric, useNumeric}},
		{`len(a) + abs(b)`, useNumeric, "a b", []Use{useText, useNumeric}},
		{`a matches "x" || b contains c`, Use{}, "a b c", []Use{useText, useText, useText}},
		{`1 + 2`, useBoth, "", []Use{}},
	}
	for _, test := range tests {
		e := mustParse(t, test.src)
		var names []string
		for _, path := range e.Fields() {
			names = append(names, FormatPath(path))
		}
		if got := strings.Join(names, " "); got != test.fields {
			t.Errorf("%s: fields %s, want %s", test.src, got, test.fields)
		}
		if got := e.Uses(test.want); !reflect.DeepEqual(got, test.uses) {
			t.Errorf("%s for %+v: uses %+v, want %+v", test.src, test.want, got, test.uses)
		}
	}
}

func TestIsPath(t *testing.T) {
	if path, ok := mustParse(t, `(a["b.c"].d)`).IsPath(); !ok || !reflect.DeepEqual(path, []string{"a", "b.c", "d"}) {
		t.Errorf("got %v, %v", path, ok)
	}
	if path, ok := mustParse(t, `a + 1`).IsPath(); ok || path != nil {
		t.Errorf("got %v, %v for a sum", path, ok)
	}
}

func TestIsBoolean(t *testing.T) {
	for src, want := range map[string]bool{
		`a > 1`: true, `a == null`: true, `!a`: true, `a && b`: true, `a in [1]`: true, `a matches "x"`: true,
		`is_null(a)`: true, `true`: true, `a ? b > 1 : false`: true, `a ? b > 1 : null`: true, `coalesce(a > 1, true)`: true,
		`a`: false, `a + 1`: false, `a ? b : c`: false, `a ? b > 1 : c`: false, `lower(a)`: false, `null`: false,
		`coalesce(a, true)`: false, `"x"`: false, `1`: false,
	} {
		if got := mustParse(t, src).IsBoolean(); got != want {
			t.Errorf("%s: got %v", src, got)
		}
	}
}
