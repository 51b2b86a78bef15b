package config

// postgresSink declares the settings of a table to write.
func postgresSink(path, what string) []setting {
	table, tableDoc := "llm_stats", "The table, NAME or SCHEMA.NAME. {query} in it stands for the name of the row's query; otherwise the table has the columns of all queries."
	if what != "results" {
		table, tableDoc = what+"_events", "The table, NAME or SCHEMA.NAME."
	}
	path += ".postgres"
	all := []setting{
		{Path: path, Kind: section, Since: first, Example: "{url: \"${DATABASE_URL}\", table: " + table + "}",
			Doc: "A table of PostgreSQL. With durable state the rows of an epoch and a mark are one transaction."},
		{Path: path + ".url", Kind: text, Required: true, Pattern: `.`, PatternDoc: "some text", Since: first, Example: `"${DATABASE_URL}"`,
			Doc: "postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full, with several hosts if need be; a password only from an environment variable."},
		{Path: path + ".table", Kind: text, Required: true, Pattern: `.`, PatternDoc: "some text", Since: first, Example: table,
			Doc: tableDoc},
		{Path: path + ".create", Kind: boolean, Default: "true", Since: first, Example: "false",
			Doc: "Create the table if it is missing, and add columns for new aggregates. false: what is missing is an error that shows the statements to run."},
		{Path: path + ".epoch_table", Kind: text, Note: "processor_epochs, beside the table", Pattern: `.`, PatternDoc: "some text", Since: first, Example: "processor_epochs",
			Doc: "The table with the marks of all sinks: how far each has got."},
	}
	if what != "results" {
		return all
	}
	return append(all,
		setting{Path: path + ".history", Kind: boolean, Default: "false", Since: first, Example: "true",
			Doc: "false: one row for each window of a key; a later firing replaces it, a retraction deletes it. true: every firing is a row."},
		setting{Path: path + ".values", Kind: choice, Default: "columns", Values: []string{"columns", "jsonb"}, Since: first, Example: "jsonb",
			Doc: "Each aggregate is a column, or all are one column of JSON."},
		setting{Path: path + ".partition_by", Kind: choice, Values: []string{"day", "month"}, Note: "one table", Since: first, Example: "day",
			Doc: "Partition the table by the UTC day or month in which windows begin. Not for sessions and global windows."},
		setting{Path: path + ".retain", Kind: duration, Min: 3600e9, Max: century, Note: "keep all", Since: first, Example: "90d",
			Doc: "Drop partitions whose windows all began longer ago than that, in event time. Needs partition_by."},
	)
}
