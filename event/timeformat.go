package event

// TimeFormat is how an event writes its time.
type TimeFormat string

// The time formats. Unix times are numbers since 1970-01-01T00:00:00Z, or
// strings that hold one, and may have fractions.
const (
	RFC3339   TimeFormat = "rfc3339"
	UnixSec   TimeFormat = "unix_s"
	UnixMilli TimeFormat = "unix_ms"
	UnixMicro TimeFormat = "unix_us"
	UnixNano  TimeFormat = "unix_ns"
)
