// Package refmodel is the slow, obvious engine: the meaning of windows,
// watermarks and triggers as code that a person can check against the
// documentation line by line. It keeps every event, takes them one at a time,
// looks at every window after each of them, and computes a window's values
// anew from its list of events. It shares no code with the engine but the
// words: values, times and the plain data of queries.
//
// It is there for tests. Expressions are limited to field names and to
// comparisons of a field with a literal, joined by "&&".
package refmodel
