/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The chart, drawn by gnuplot from a script on its standard input: on the left what a load
 * takes, on the right what the largest leaves save. The file appears whole or not at all.
 */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length > tail && !strcasecmp(text + length - tail, end);
}

/* Better told now than after a minute of measuring. */
static void check_folder(const char *file)
{
	char *copy = strdup(file);

	if (!copy)
		cli_die("bench: --plot", "no memory");
	if (access(dirname(copy), W_OK))
		cli_die("bench: --plot", "%s: %s", file, strerror(errno));
	free(copy);
}

void bench_plot_check(const char *file)
{
	if (!ends_with(file, ".svg") && !ends_with(file, ".png")) {
		cli_error("bench: --plot", "'%s' ends neither in .svg nor in .png", file);
		exit(CLI_TROUBLE);
	}
	/* gnuplot would read a second line as a command. */
	if (strpbrk(file, "\r\n"))
		cli_die("bench: --plot", "the file's name has a line break");
	check_folder(file);
	if (system("gnuplot --version >/dev/null 2>&1") == 0)
		return;
	cli_error("bench: --plot", "gnuplot is not installed");
	cli_hint("the Debian package is gnuplot-nox; --json gives the numbers");
	exit(CLI_TROUBLE);
}

/* A string of gnuplot's in single quotes: a quote is doubled. */
static void put_string(FILE *script, const char *text)
{
	fputc('\'', script);
	for (; *text; text++) {
		if (*text == '\'')
			fputc('\'', script);
		fputc(*text, script);
	}
	fputc('\'', script);
}

/* --- data ------------------------------------------------------------------------- */

/* Columns: MiB, then low, median and high of every view's time, then of what is saved. */
static void put_data(FILE *script, const struct bench_report *report, enum bench_work work)
{
	unsigned i, view;

	fprintf(script, "$%s << END\n", bench_work_names[work]);
	for (i = 0; i < report->row_count; i++) {
		const struct bench_result *result = &report->rows[i].results[work];

		if (!result->measured)
			continue;
		fprintf(script, "%" PRIu64, report->rows[i].bytes >> 20);
		for (view = 0; view < BENCH_VIEWS; view++)
			fprintf(script, " %.6g %.6g %.6g", result->time[view].low,
				result->time[view].middle, result->time[view].high);
		fprintf(script, " %.6g %.6g %.6g\n", 100 * result->gain[BENCH_SMALL].low,
			100 * result->gain[BENCH_SMALL].middle,
			100 * result->gain[BENCH_SMALL].high);
	}
	fputs("END\n", script);
}

static bool has_results(const struct bench_report *report, enum bench_work work)
{
	unsigned i;

	for (i = 0; i < report->row_count; i++)
		if (report->rows[i].results[work].measured)
			return true;
	return false;
}

/* Whether every measured row had the leaves it is drawn with. */
static bool all_confirmed(const struct bench_report *report)
{
	unsigned i;

	for (i = 0; i < report->row_count; i++) {
		const struct bench_row *row = &report->rows[i];

		if (row->results[BENCH_RANDOM].measured &&
		    (!row->sizes[BENCH_LARGE].huge_known ||
		     row->sizes[BENCH_LARGE].huge < row->bytes))
			return false;
	}
	return true;
}

/* --- script ----------------------------------------------------------------------- */

/* Only as far as there is something to see. */
static void put_axis(FILE *script, const struct bench_report *report)
{
	double last = 0;
	unsigned i;

	fputs("set xtics (", script);
	for (i = 0; i < report->row_count; i++) {
		uint64_t mebibytes = report->rows[i].bytes >> 20;

		fprintf(script, "%s'%s' %" PRIu64, i ? ", " : "",
			cli_size_exact(report->rows[i].bytes).text, mebibytes);
		if (report->rows[i].results[BENCH_RANDOM].measured)
			last = (double)mebibytes;
	}
	fprintf(script, ")\nset xrange [%g:%g]\n", (double)(report->rows[0].bytes >> 20) / 1.25,
		last * 1.25);
}

static void put_label(FILE *script, const char *place, const char *text)
{
	fputs("set label ", script);
	put_string(script, text);
	fprintf(script, " at screen %s\n", place);
}

static void put_titles(FILE *script, const struct bench_report *report)
{
	const struct bench_machine *machine = &report->machine;
	char text[512];

	put_label(script, "0.5,0.955 center font ',19'",
		  "One memory through small and large page-table leaves");
	snprintf(text, sizeof(text), "%s, %s%s%s", machine->cpu, machine->kernel,
		 machine->is_virtual ? ", virtual machine: " : "", machine->hypervisor);
	put_label(script, "0.5,0.905 center tc rgb '#444444'", text);
	snprintf(text, sizeof(text), "maxleaf bench %s, at least %d pairs a point", ml_version(),
		 BENCH_PAIRS_LEAST);
	put_label(script, "0.99,0.025 right tc rgb '#888888'", text);
}

static void put_head(FILE *script, const struct bench_report *report, const char *file)
{
	if (ends_with(file, ".png"))
		fputs("set terminal pngcairo noenhanced size 1200,580 font 'sans,11' "
		      "linewidth 1.5\n",
		      script);
	else
		fputs("set terminal svg noenhanced size 1200,580 font 'sans,14' "
		      "background rgb 'white'\n",
		      script);
	fputs("set output ", script);
	put_string(script, file);
	fputs("\nset multiplot layout 1,2\nset logscale x 2\nset grid ytics lc rgb '#dddddd' lt 1\n"
	      "set border 3 lc rgb '#444444'\nset tics nomirror\n"
	      "set key top left reverse Left samplen 2\nset offsets 0, 0, graph 0.22, 0\n"
	      "set xlabel 'working set'\n"
	      "set tmargin at screen 0.80\nset bmargin at screen 0.15\n",
	      script);
	put_axis(script, report);
	put_titles(script, report);
}

static void put_panels(FILE *script, const struct bench_report *report)
{
	const char *large =
		all_confirmed(report) ? "2M leaves" : "largest leaves (not all confirmed)";

	fprintf(script,
		"set title 'a dependent load, random pages (median, quartiles shaded)'\n"
		"set ylabel 'ns'\nset yrange [0:*]\n"
		"set style fill transparent solid 0.15 noborder\n"
		"plot $random u 1:2:4 w filledcurves lc rgb '#c0392b' notitle, \\\n"
		"  '' u 1:8:10 w filledcurves lc rgb '#1f6fb4' notitle, \\\n"
		"  '' u 1:6 w lp lc rgb '#999999' pt 6 dt 2 t '4K leaves, off by one page', \\\n"
		"  '' u 1:3 w lp lc rgb '#c0392b' pt 7 t '4K leaves', \\\n"
		"  '' u 1:9 w lp lc rgb '#1f6fb4' pt 5 t '%s'\n",
		large);
	fputs("unset label\n"
	      "set title 'time saved against 4K leaves (median, bar: middle half of pairs)'\n"
	      "set ylabel '%'\nset yrange [*:*]\nset xzeroaxis lc rgb '#444444' lt 1\n"
	      "plot $random u 1:12:11:13 w yerrorlines lc rgb '#1f6fb4' pt 5 "
	      "t 'loads of every line'",
	      script);
	if (has_results(report, BENCH_PAGES))
		fputs(", \\\n  $pages u ($1*1.04):12:11:13 w yerrorlines lc rgb '#27864c' pt 9 "
		      "t 'loads of one line a page'",
		      script);
	if (has_results(report, BENCH_COPY))
		fputs(", \\\n  $copy u ($1/1.04):12:11:13 w yerrorlines lc rgb '#b07d12' pt 13 "
		      "t 'memcpy'",
		      script);
	fputs("\nunset multiplot\n", script);
}

static bool draw(const struct bench_report *report, const char *file)
{
	FILE *script = popen("gnuplot", "w");
	unsigned work;
	int status;

	if (!script)
		return false;
	for (work = 0; work < BENCH_WORKS; work++)
		if (has_results(report, work))
			put_data(script, report, work);
	put_head(script, report, file);
	put_panels(script, report);
	status = pclose(script);
	return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int bench_plot(const struct bench_report *report, const char *file)
{
	char *part;
	int status = CLI_TROUBLE;

	if (!has_results(report, BENCH_RANDOM))
		return cli_error("bench: --plot", "nothing was measured that could be drawn");
	/* gnuplot would run a name that begins with a bar as a command. */
	if (asprintf(&part, "%s%s.%ld%s", *file == '|' ? "./" : "", file, (long)getpid(),
		     file + strlen(file) - 4) < 0)
		return cli_error("bench: --plot", "no memory");
	if (!draw(report, part)) {
		cli_error("bench: --plot", "gnuplot could not draw %s", file);
		unlink(part);
	} else if (rename(part, file)) {
		cli_error("bench: --plot", "%s: %s", file, strerror(errno));
		unlink(part);
	} else {
		status = CLI_FINE;
	}
	free(part);
	return status;
}
