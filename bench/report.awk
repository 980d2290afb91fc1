# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Merge the records of the benchmark programs: a table on stdout, one object a line in the file
# named by -v json=FILE. Reads timed and counted records in any order; knows the goals.
# Exit 1 when a goal that was measured is missed, 2 when there is nothing to report.

function goals(names, ratio, instructions,    list, count, i) {
	count = split(names, list, " ")
	for (i = 1; i <= count; i++) {
		ratio_goal[list[i]] = ratio
		instruction_goal[list[i]] = instructions
	}
}

# Times of one unit, in ns; with `beside`, beside what the limit takes.
function time_goals(names, ns, beside,    list, count, i) {
	count = split(names, list, " ")
	for (i = 1; i <= count; i++) {
		time_goal[list[i]] = ns
		time_beside[list[i]] = beside
	}
}

BEGIN {
	LINE = "%-6s %-9s %-6s %9s %9s %6s %12s %9s %7s %6s %-16s %s\n"
	goals("m4k m64k", 1.5, 4)
	goals("m2m", 1.6, 0)
	goals("x4k", 1.15, 58)
	goals("x4kd x2m", 1.15, 0)
	goals("m4kx", 0, 85)
	goals("ch1 ch2m", 0, 180)
	goals("u4k", 0, 0.1)
	goals("u4kd", 1.2, 0)
	goals("split", 1.3, 0)
	goals("c4k", 1.5, 0)
	goals("c4kl", 1.1, 0)
	goals("s16 s512", 1.05, 0)
	goals("remap remapd part partd parts", 2, 0)
	time_goals("sfork sforkd", 3000, 1)
	time_goals("find findd", 90, 0)
	time_goals("r1t", 10000, 0)
	time_goals("t1t t1td t64gd t1t2m", 100000, 0)
}

# The value of a key of this line's flat object, without quotes.
function field(key,    at, rest) {
	at = index($0, "\"" key "\":")
	if (!at)
		return ""
	rest = substr($0, at + length(key) + 3)
	if (substr(rest, 1, 1) == "\"") {
		rest = substr(rest, 2)
		return substr(rest, 1, index(rest, "\"") - 1)
	}
	match(rest, /^[^,}]*/)
	return substr(rest, 1, RLENGTH)
}

{
	key = field("name") SUBSEP field("format")
	if (!(key in order)) {
		order[key] = ++keys
		key_of[keys] = key
	}
}

# Calls of the platform, the same in every record of a workload that counts them.
/"invalidations":/ {
	invalidations[key] = field("invalidations")
	completions[key] = field("completions")
	invalidations_least[key] = field("invalidations_least")
	completions_least[key] = field("completions_least")
	break_stores[key] = field("break_stores")
}

# The policy, in every record of a workload of the space floor.
/"deposits":/ {
	deposits[key] = field("deposits")
}

/"ratio":/ {
	if (!(key in ns) || field("ns") + 0 < ns[key] + 0) {
		ns[key] = field("ns")
		limit_ns[key] = field("limit_ns")
		ratio[key] = field("ratio")
		ratio_low[key] = field("ratio_low")
		ratio_high[key] = field("ratio_high")
		unit[key] = field("unit")
		compiler[key] = field("compiler")
	}
}

# Records of a workload come in threes, the library first and the limit last.
/"total":/ {
	total[field("side")] = field("total") / field("units")
	if (field("side") == "limit") {
		net = total["library"] - total["empty"]
		limit_net = total["limit"] - total["empty"]
		if (!(key in instructions) || net < instructions[key]) {
			instructions[key] = net
			counted_compiler[key] = field("compiler")
		}
		if (!(key in limit_instructions) || limit_net < limit_instructions[key])
			limit_instructions[key] = limit_net
	}
}

# One goal against one figure: remembers it in `goal_text`, and `missed` or `open_goals`.
function judge(goal, have, value, text) {
	if (!goal)
		return
	goal_text = goal_text (goal_text == "" ? "" : ", ") text
	if (!have) {
		open_goals++
		not_measured++
		return
	}
	judged++
	if (value <= goal)
		met++
	else
		missed = 1
}

# Flushing is counted, so the goal is the least itself.
function judge_flushes(key) {
	goal_text = goal_text (goal_text == "" ? "" : ", ") \
		invalidations_least[key] "+" completions_least[key] " flush"
	judged++
	if (invalidations[key] == invalidations_least[key] &&
	    completions[key] == completions_least[key])
		met++
	else
		missed = 1
}

function number(have, value, form) {
	return have ? sprintf(value + 0 < 10000 ? form : "%.0f", value) : "-"
}

function report(key,    part, name, timed, compared, counted, flushes, spread) {
	split(key, part, SUBSEP)
	name = part[1]
	timed = key in ns
	compared = timed && !time_beside[name] # a limit that is to be left out says nothing more
	counted = key in instructions
	goal_text = ""
	missed = open_goals = 0
	judge(ratio_goal[name], timed, ratio[key], ratio_goal[name] "x")
	judge(time_goal[name], timed, ns[key] - time_beside[name] * limit_ns[key],
		time_goal[name] " ns" (time_beside[name] ? " + limit" : ""))
	judge(instruction_goal[name], counted, instructions[key], instruction_goal[name] " instr")
	flushes = key in invalidations
	if (flushes)
		judge_flushes(key)
	verdict = missed ? "NO" : open_goals ? "not all measured" : goal_text == "" ? "" : "yes"
	spread = compared ? sprintf("%.2f..%.2f", ratio_low[key], ratio_high[key]) : "-"
	printf LINE, name, part[2], unit[key],
		number(timed, ns[key], "%.4g"), number(timed, limit_ns[key], "%.4g"),
		number(compared, ratio[key], "%.2f"), spread,
		number(counted, instructions[key], "%.4g"),
		flushes ? invalidations[key] "+" completions[key] : "-",
		flushes && break_stores[key] != "null" ? break_stores[key] : "-",
		goal_text == "" ? "-" : goal_text, verdict
	printf "{\"name\":\"%s\",\"format\":\"%s\",\"ns\":%s,\"limit_ns\":%s,\"ratio\":%s," \
		"\"instructions\":%s,\"unit\":\"%s\",\"ratio_low\":%s,\"ratio_high\":%s," \
		"\"limit_instructions\":%s,\"compiler\":\"%s\",\"instructions_compiler\":\"%s\"," \
		"\"invalidations\":%s,\"invalidations_least\":%s,\"completions\":%s," \
		"\"completions_least\":%s,\"break_stores\":%s," \
		"\"deposits\":%s,\"goal\":\"%s\",\"met\":%s}\n", name, part[2],
		timed ? ns[key] : "null", timed ? limit_ns[key] : "null",
		compared ? ratio[key] : "null",
		counted ? sprintf("%.6g", instructions[key]) : "null", unit[key],
		compared ? ratio_low[key] : "null", compared ? ratio_high[key] : "null",
		counted ? sprintf("%.6g", limit_instructions[key]) : "null", compiler[key],
		counted_compiler[key], flushes ? invalidations[key] : "null",
		flushes ? invalidations_least[key] : "null",
		flushes ? completions[key] : "null",
		flushes ? completions_least[key] : "null",
		flushes ? break_stores[key] : "null",
		key in deposits ? "\"" deposits[key] "\"" : "null", goal_text,
		verdict == "yes" ? "true" : verdict == "NO" ? "false" : "null" >json
}

END {
	if (!keys) {
		print "maxleaf: bench: nothing to report" >"/dev/stderr"
		exit 2
	}
	printf LINE, "name", "format", "unit", "ns", "limit ns", "ratio", "quartiles", "instr",
		"flushes", "broken", "goal", "met"
	for (i = 1; i <= keys; i++)
		report(key_of[i])
	print "\nns and instr: of one unit, the better of the compilers; ratio: median of paired rounds"
	print "against the limit. flushes: invalidations + completions of one unit; broken: most stores"
	print "between the one that breaks an entry and the one that makes it again."
	printf "%d of %d goals met", met, judged
	print not_measured ? ", " not_measured " more not measured" : ""
	exit met < judged
}
