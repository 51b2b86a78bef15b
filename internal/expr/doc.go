// Package expr holds the expressions of a config: filters, computed fields,
// keys and the arguments of aggregates. They are parsed once and run as loops
// over the columns of a batch.
//
// # Fields
//
// A field is a dotted path: model, metadata.tenant, data["a.b"] where a name
// is no identifier, $env["odd name"] where the first one is not, or where it
// is a keyword (in, not, and, or, let, contains, matches, startsWith,
// endsWith, true, false, null, nil). A missing field is null.
//
// # Values
//
// Literals are numbers, strings in single or double quotes, true, false and
// null (or nil). Numbers compare by value; integers beyond 2^53 exactly.
//
// # Operators
//
//	==  !=  <  <=  >  >=      false with null and between unlike types, != too;
//	                          strings by bytes, bools only == and !=
//	x == null, x != null      ask whether x is null or missing
//	x in ["a", "b"]           equal to one of the literals
//	contains startsWith endsWith matches
//	                          of strings; the right side of matches is an RE2
//	                          literal
//	&& || !  (and or not)     only true counts as true, so !null is true, and
//	                          so is x not in […] where x is null
//	+ - * / % ** and unary -  in float64; null with null, and where the result
//	                          is no finite number (division by zero); Invalid
//	                          with any other type, but + joins two strings
//	c ? a : b                 a where c is true, else b
//	a ?? b                    coalesce(a, b)
//
// # Functions
//
// coalesce(a, b, …) is the first that is not null; is_null(x) is x == null;
// abs, ceil, floor, round (half away from zero) and min(a, b, …), max(a, b, …)
// take numbers; len (in characters), lower and upper take strings. All but the
// first two are null for null and Invalid for a wrong type.
//
// An object or array is not null, but otherwise a wrong type everywhere.
//
// An expression has at most 10,000 characters and operands at most 100 deep.
//
// # Aggregates
//
// An aggregate is a function and its argument, optionally followed by where
// and a condition: count(), count(error != null), sum(cost), p95(latency_ms),
// percentile(latency_ms, 99.5), top_k(model, 5), avg(latency_ms) where
// status == "ok".
package expr
