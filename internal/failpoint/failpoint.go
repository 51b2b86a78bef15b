// Package failpoint lets tests kill the process at a named place, and plant
// bugs that the tests must find. In the program that is shipped both are
// nothing, and are compiled away: they are there with the build tag failpoint.
//
// A point stands on each side of every durable step.
package failpoint

// The planted bugs. Each is a mistake that is easily made, and that costs rows
// or doubles them only when something crashes; `make planted` shows that the
// tests find every one.
const (
	// SkipSync reports what was written as durable without syncing it.
	SkipSync = "skip-sync"
	// TrimEarly drops rows from the outbox before the sinks hold them.
	TrimEarly = "trim-outbox-early"
	// PositionFirst saves positions in a commit of their own, before the
	// windows.
	PositionFirst = "position-before-state"
	// DropDelta forgets what has changed in one shard.
	DropDelta = "drop-shard-delta"
	// ForgetWatermark saves everything but the watermarks.
	ForgetWatermark = "forget-watermark"
)
