"""Rows to text: CSV of every run, a line for each, the Markdown table of medians."""
import csv
import statistics

import contestants
import loads
import plot

COLUMNS = ("round", "contestant", "connections", "body_bytes", "requests", "answers", "seconds", "rps",
           "p50_us", "p99_us", "cpu_us", "user_us", "system_us", "cpu_us_by_process", "busy", "others",
           "peak_kb", "void")
BASE = "haproxy"


class Csv:
    """Written row by row: what was measured stays when the run is ended early."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self._file = open(self.path, "w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, COLUMNS)
        self._writer.writeheader()
        return self

    def write(self, row):
        self._writer.writerow(row)
        self._file.flush()

    def __exit__(self, *_why):
        self._file.close()


def line(row):
    start = "round %(round)s %(contestant)-13s %(connections)4s connections %(body_bytes)6s bytes: " % row
    if row["void"]:
        return start + "VOID: " + row["void"]
    return start + ("%8s requests/s, p50 %6s us, p99 %6s us, CPU %7s us each (%s), busy %s, others %s, "
                    "peak %6s kB" % tuple(row[name] for name in (
                        "rps", "p50_us", "p99_us", "cpu_us", "cpu_us_by_process", "busy", "others", "peak_kb")))


def medians(rows):
    """{(contestant, connections, body): {column: median of the valid rounds, "void": how many not}}"""
    cells = {}
    for row in rows:
        cells.setdefault((row["contestant"], row["connections"], row["body_bytes"]), []).append(row)
    told = {}
    for key, of_cell in cells.items():
        valid = [row for row in of_cell if not row["void"]]
        told[key] = {"void": len(of_cell) - len(valid), "rounds": len(of_cell)}
        if valid:
            told[key].update({name: statistics.median(float(row[name]) for row in valid) for name in (
                "rps", "p50_us", "p99_us", "cpu_us", "user_us", "system_us", "busy", "peak_kb")})
    return told


def ratio(value, base):
    return "%.2f" % (value / base) if base else "-"


def disturbance(rows):
    """How much else there was on the contestants' core: what to believe of the times."""
    shares = [100 * float(row["others"]) for row in rows if not row["void"]]
    if not shares:
        return "Every run is void."
    return ("Other processes used %.0f %% of the contestants' core during the median run, %.0f %% during the "
            "worst." % (statistics.median(shares), max(shares)))


def markdown(rows, machine, chosen):
    """The table for README.md; x is how many times HAProxy's value of the same cell."""
    told = medians(rows)
    text = [
        "Medians of %d rounds of %d s; x: times HAProxy's value in the same rounds." % (
            chosen.rounds, chosen.seconds), "", machine + ".", "",
        disturbance(rows), "",
        "| body | connections | contestant | requests/s | x | p50 ms | p99 ms | CPU us/request | x | "
        "peak MiB | core busy |", "|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for (name, connections, body), cell in sorted(told.items(), key=lambda item: (
            item[0][2], item[0][1], list(contestants.ALL).index(item[0][0]))):
        where = "| %s | %d | %s |" % (loads.KINDS[body], connections, contestants.ALL[name].label)
        if "rps" not in cell:
            text.append(where + " void |" + " |" * 7)
            continue
        base = told.get((BASE, connections, body), {})
        text.append(where + " %.0f%s | %s | %.2f | %.2f | %.1f | %s | %.1f | %.0f %% |" % (
            cell["rps"], " (%d of %d rounds void)" % (cell["void"], cell["rounds"]) * (cell["void"] > 0),
            ratio(cell["rps"], base.get("rps")), cell["p50_us"] / 1000, cell["p99_us"] / 1000,
            cell["cpu_us"], ratio(cell["cpu_us"], base.get("cpu_us")), cell["peak_kb"] / 1024,
            100 * cell["busy"]))
    return "\n".join(text) + "\n"


def picture(rows, machine):
    """Two panels of CPU per request. Where 64 connections or 600 bytes were not measured, others are."""
    told = medians(rows)
    names = [name for name in contestants.ALL if any(key[0] == name for key in told)]
    at = {key[1] for key in told}
    of = {key[2] for key in told}
    connections = 64 if 64 in at else max(at)
    body = 600 if 600 in of else max(of)

    def value(name, n, size):
        return told.get((name, n, size), {}).get("cpu_us")

    panels = [
        plot.Panel("by body, at %d connections" % connections,
                   [loads.KINDS[size] for size in sorted(of)],
                   [[value(name, connections, size) for size in sorted(of)] for name in names]),
        plot.Panel("by connections, with %s" % loads.KINDS[body],
                   ["%d connection%s" % (n, "s" * (n > 1)) for n in sorted(at)],
                   [[value(name, n, body) for n in sorted(at)] for name in names])]
    return plot.bars("CPU time per request (microseconds; less is better)", machine,
                     [(name, contestants.ALL[name].label) for name in names], panels)
