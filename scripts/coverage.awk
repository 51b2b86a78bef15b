# Reads a Go cover profile, in which every test binary reports every block, and
# prints the share of statements covered by any of them, per package and in
# all. Exits 1 below a floor.

BEGIN {
	floor["all"] = 80
	floor["window"] = floor["watermark"] = floor["aggregate"] = 90
}

/^mode:/ { next }

{
	# module/package/file.go:12.3,14.5 STATEMENTS COUNT
	statements[$1] = $2
	if ($3 > 0) covered[$1] = 1
}

function name_of(block,    parts, n, i, name) {
	sub(/:[0-9.,]+$/, "", block)
	n = split(block, parts, "/")
	# A module on a code host has a path of three parts.
	name = parts[4]
	for (i = 5; i < n; i++) name = name "/" parts[i]
	return n == 4 ? "(root)" : name
}

function percent(name) { return total[name] ? 100 * hit[name] / total[name] : 0 }

END {
	for (block in statements) {
		name = name_of(block)
		total[name] += statements[block]
		total["all"] += statements[block]
		if (block in covered) {
			hit[name] += statements[block]
			hit["all"] += statements[block]
		}
	}
	sorter = "sort"
	for (name in total)
		if (name != "all")
			printf "coverage %5.1f %%  %s\n", percent(name), name | sorter
	close(sorter)
	printf "coverage %5.1f %%  in all\n", percent("all")
	for (name in floor) {
		if (!(name in total)) continue # a package that does not exist yet
		if (percent(name) < floor[name]) {
			printf "coverage of %s is %.1f %%, below its floor of %d %%\n", name, percent(name), floor[name]
			failed = 1
		}
	}
	exit failed
}
