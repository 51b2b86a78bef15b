// Package aggregate holds the aggregates of windows: what a user may ask for
// (Spec), and the accumulators of all aggregates of a query, in slabs, for many
// keys and panes at once (Composite).
//
// Every aggregate is mergeable: merging accumulators in any order gives the
// same answer within 1e-9 relative, for a top-k as long as its counters suffice.
// Nothing here blocks, logs or starts a goroutine; a Composite belongs to one
// goroutine at a time.
package aggregate

import "strconv"

// Spec is one aggregate as the user wrote it. The zero Spec is invalid.
type Spec struct {
	// Name is the name of the value in results.
	Name string
	// Func is the function: count, sum, avg, min, max, stddev, stddev_samp,
	// variance, var_samp, percentile, distinct, first, last, rate, top_k, or
	// custom.
	Func string
	// Arg is the field or expression it reads; empty for count() and rate().
	Arg string
	// Boolean says that the argument of a count is a comparison, or another
	// expression that is true or false: then rows are counted in which it is
	// true, else rows in which the argument is not null.
	Boolean bool
	// Param is the p of a percentile (0 to 100) and the k of a top-k.
	Param float64
	// Where restricts the aggregate to rows for which it is true; empty
	// means all.
	Where string
	// Custom makes the accumulators of Func "custom".
	Custom Custom
}

// As names the aggregate's value in results.
func (s Spec) As(name string) Spec { s.Name = name; return s }

// If restricts the aggregate to rows for which the expression is true.
func (s Spec) If(where string) Spec { s.Where = where; return s }

// String is the spec as it is written in a config.
func (s Spec) String() string {
	out := s.Func + "(" + s.Arg
	if s.Func == "percentile" || s.Func == "top_k" {
		out += ", " + strconv.FormatFloat(s.Param, 'g', -1, 64)
	}
	out += ")"
	if s.Where != "" {
		out += " where " + s.Where
	}
	return out
}

func spec(fn, arg string, param float64) Spec {
	s := Spec{Func: fn, Arg: arg, Param: param}
	s.Name = s.String()
	return s
}

// Count counts rows.
func Count() Spec { return spec("count", "", 0) }

// CountOf counts rows in which the field is not null, or in which the
// comparison is true; building the pipeline tells the two apart and sets
// Boolean.
func CountOf(arg string) Spec { return spec("count", arg, 0) }

// Sum adds the field up, compensated (Neumaier 1974).
func Sum(arg string) Spec { return spec("sum", arg, 0) }

// Avg is the mean of the field.
func Avg(arg string) Spec { return spec("avg", arg, 0) }

// Min is the least value of the field.
func Min(arg string) Spec { return spec("min", arg, 0) }

// Max is the greatest value of the field.
func Max(arg string) Spec { return spec("max", arg, 0) }

// StdDev is the population standard deviation.
func StdDev(arg string) Spec { return spec("stddev", arg, 0) }

// StdDevSamp is the sample standard deviation; null for fewer than two values.
func StdDevSamp(arg string) Spec { return spec("stddev_samp", arg, 0) }

// Variance is the population variance.
func Variance(arg string) Spec { return spec("variance", arg, 0) }

// VarSamp is the sample variance; null for fewer than two values.
func VarSamp(arg string) Spec { return spec("var_samp", arg, 0) }

// Percentile is the p-th percentile, p from 0 to 100, within 1 % of the values
// at the ranks next to p(n-1)/100.
func Percentile(arg string, p float64) Spec { return spec("percentile", arg, p) }

// Distinct is the number of different values: exact to 1,000, then estimated
// with a standard error of at most 0.81 %.
func Distinct(arg string) Spec { return spec("distinct", arg, 0) }

// First is the value of the earliest event, by event time, then offset.
func First(arg string) Spec { return spec("first", arg, 0) }

// Last is the value of the latest event, by event time, then offset.
func Last(arg string) Spec { return spec("last", arg, 0) }

// Rate is rows per second of window; null for a window without a length.
func Rate() Spec { return spec("rate", "", 0) }

// TopK is the k most frequent values with their counts: exact to 1,000 different
// values; beyond that a count is never too high, and too low by at most the
// rows divided by 500.
func TopK(arg string, k int) Spec { return spec("top_k", arg, float64(k)) }
