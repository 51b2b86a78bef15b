package config

// serverSettings say where the process can be watched.
var serverSettings = []setting{
	{Path: "server", Kind: section, Note: "nothing listens", Since: first, Example: `{listen: "127.0.0.1:8080"}`,
		Doc: "Serve a page, health, metrics and an API over HTTP."},
	{Path: "server.listen", Kind: text, Default: "127.0.0.1:8080", Pattern: `^(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]*):[0-9]{1,5}$`, PatternDoc: "HOST:PORT", Since: first, Example: `"0.0.0.0:8080"`,
		Doc: "The address, HOST:PORT. Without a host it is every address of this machine: whoever reaches it can read results, late events and dead letters. Port 0 takes one that is free."},
	{Path: "server.token", Kind: text, Note: "none: actions are refused", Since: first, Example: `"${API_TOKEN}"`,
		Doc: "What pausing, checkpoints and a change of the log level need, from an environment variable, which must not be empty."},
	{Path: "server.token_file", Kind: text, Note: "none", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "/run/secrets/processor",
		Doc: "Instead of token: a file that holds it."},
}
