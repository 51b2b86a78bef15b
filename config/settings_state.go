package config

// stateSettings say what survives the process, and when results leave.
var stateSettings = []setting{
	{Path: "state", Kind: section, Default: "{}", Since: first, Example: "{backend: pebble}",
		Doc: "Where open windows, the positions in the source and results on their way are kept."},
	{Path: "state.backend", Kind: choice, Default: "pebble", Note: "pebble for live sources but stdin and generate, else memory",
		Values: []string{"memory", "pebble", "redis"}, Since: first, Example: "pebble",
		Doc: "memory: nothing outlives the process; a restart begins at the source's start. pebble: a directory on this machine. redis: a server, for machines without disks."},
	{Path: "state.path", Kind: text, Note: "state/ and the pipeline's name, or redis://localhost:6379/0", Pattern: `.`, PatternDoc: "some text",
		Since: first, Example: "state/llm-health",
		Doc: "pebble: the directory; a relative one is below the working directory of the process. redis: the address, redis://[USER:PASSWORD@]HOST[:PORT][/DB], or rediss:// for TLS; write a password as ${NAME}. One running pipeline at a time uses it."},
	{Path: "state.epoch", Kind: duration, Default: "1s", Min: 1e6, Max: 3600e9, Since: first, Example: "5s",
		Doc: "After this long at most, what was processed is durable. Windows that fire do not wait for it."},
	{Path: "state.checkpoint", Kind: section, Default: "{}", Since: first, Example: "{every: 1h, retain: 5}",
		Doc: "Copies of the state, kept beside it to go back to."},
	{Path: "state.checkpoint.every", Kind: duration, Default: "10m", Min: 0, Max: century, Since: first, Example: "1h",
		Doc: "How often one is made. 0: never by itself."},
	{Path: "state.checkpoint.retain", Kind: integer, Default: "3", Min: 0, Max: 1000, Since: first, Example: "5",
		Doc: "How many are kept; the oldest goes first. 0: none is made."},
	{Path: "state.on_corruption", Kind: choice, Default: "fail", Values: []string{"fail", "restore"}, Since: first, Example: "restore",
		Doc: "What a start does with damaged state: end with an error that names it, or go back to the newest checkpoint that is whole."},
	{Path: "delivery", Kind: choice, Default: "exactly_once", Values: []string{"exactly_once", "at_least_once"}, Since: first, Example: "at_least_once",
		Doc: "Results leave when their epoch is durable, or as soon as they are made; then some come twice after a crash, under the same id. With state in memory it is always the latter."},
}
