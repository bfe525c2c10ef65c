"""Compares cention-proxy with what else could stand before the API. run.sh beside this file installs
and builds what it needs; `run.sh --help` tells the options.

All contestants use one TLS upstream. One cell is a contestant, a number of connections and a body: the
contestant is started on the first core, asked once by hand, warmed up, then measured while wrk and the
upstream have the second core. The contestants of a cell run one after another, in an order that goes
round with each round, so that what disturbs the machine disturbs all. A run with any error, any other
answer, or an audit log that doesn't hold exactly what was sent is void: its line says why, and no median
uses it.
"""
import argparse
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import contestants  # noqa: E402
import loads  # noqa: E402
import measure  # noqa: E402
import profiling  # noqa: E402
import report  # noqa: E402
import soak  # noqa: E402
from lookalike import Authority, signing  # noqa: E402
from measure import Failed  # noqa: E402

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)
ROOM = 4 * 1024 ** 3  # bytes of free disk: the audit log of one run of 60 s may become 3 GiB
WARM_MOST = 20  # seconds, after those asked for


def numbers(text):
    return [int(word) for word in text.split(",")]


def options(arguments):
    parser = argparse.ArgumentParser(prog="run.sh", description="Compares cention-proxy with HAProxy, "
                                     "nginx, and nginx that signs, over one TLS upstream on loopback.")
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="how often each cell is measured (3); medians are told")
    add("--seconds", type=int, default=3, help="of load for each cell (3)")
    add("--warm-up", type=int, default=1, help="seconds of load before it (1)")
    add("--connections", type=numbers, default=[1, 8, 64, 512], help="1,8,64,512")
    add("--bodies", type=numbers, default=[30, 600, 16384], help="bytes: 30,600,16384")
    add("--contestants", default=",".join(contestants.ALL), help=",".join(contestants.ALL))
    add("--build", type=pathlib.Path, help="an existing build of cention-proxy")
    add("--out", type=pathlib.Path, help="where results.csv, table.md, bench.svg and meanwhile the audit "
        "log are written (build-bench/results)")
    add("--cores", type=numbers, default=[1, 0], help="the contestant's, and that of wrk and the upstream "
        "(1,0: the first core is where the kernel does most of what it does by the way)")
    add("--quick", action="store_true", help="one round of a second at 8 connections and 30 bytes")
    add("--profile", action="store_true",
        help="where the daemons spend their time, at 64 connections and 600 bytes (perf, else callgrind)")
    add("--soak", type=int, nargs="?", const=2000000, metavar="N",
        help="N (2000000) requests at 64 connections through cention-proxy alone: memory and disk")
    add("--upstream-status", type=int, default=200, help=argparse.SUPPRESS)  # for the harness's own test
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.seconds, chosen.warm_up = 1, 1, 0
        chosen.connections, chosen.bodies = [8], [30]
    chosen.contestants = chosen.contestants.split(",")
    unknown = set(chosen.contestants) - set(contestants.ALL)
    if chosen.soak is not None and not 0 < chosen.soak <= 100000000:
        parser.error("--soak takes 1 to 100000000 requests")
    if unknown or not all(0 < n <= 900 for n in chosen.connections) or len(chosen.cores) != 2 or \
            not all(body in loads.KINDS for body in chosen.bodies) or \
            not (0 < chosen.rounds <= 100 and 0 < chosen.seconds <= 60 and 0 <= chosen.warm_up <= 60):
        parser.error("no such contestant: %s" % ", ".join(unknown) if unknown else
                     "connections are 1 to 900, bodies %s, rounds to 100, seconds to 60" %
                     ", ".join(map(str, loads.KINDS)))
    top = pathlib.Path(__file__).resolve().parents[2]
    chosen.build = (chosen.build or top / "build-bench").resolve()
    chosen.out = (chosen.out or top / "build-bench" / "results").resolve()
    allowed = os.sched_getaffinity(0)
    if not set(chosen.cores) <= allowed:
        print("cores %s are not both ours: nothing is pinned" % chosen.cores)
        chosen.cores = [None, None]
    return chosen


class Bench:
    """The folder, the certificates and the upstream that all measurements share."""

    def __init__(self, chosen):
        self.chosen = chosen
        self.core, self.other_core = chosen.cores
        self.running = None

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cention-bench-"))
        # Not in the temporary folder, which may be memory.
        self.audit = pathlib.Path(tempfile.mkdtemp(prefix="audit-", dir=self.chosen.out))
        self.upstream = None
        try:
            self.authority = Authority(self.folder / "ca")
            self.upstream = contestants.Upstream(self.folder / "upstream", self.other_core, self.authority,
                                                 self.chosen.upstream_status)
            self.upstream.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_why):
        for number in ENDING:  # once is enough: this must come to its end
            signal.signal(number, signal.SIG_IGN)
        for server in (self.running, self.upstream):
            if server and server.process:
                measure.end(server.process)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.audit, ignore_errors=True)

    def start(self, name, port=None, **more):
        """A contestant, before the upstream or before another port of it."""
        kind = contestants.ALL[name]
        server = kind(self.folder / name, self.core, port or self.upstream.port, self.authority,
                      self.chosen.build, **more)
        server.audit_root = self.audit
        self.running = server
        return server.start()

    def wrk(self, server, load, connections, seconds):
        return loads.Wrk(self.folder, self.other_core, server.port, load, connections, seconds)

    def warm(self, server, load, connections):
        """Load for the seconds of the warm-up, and until the connections to the upstream are made."""
        began, wanted = time.monotonic(), self.upstream.requests() + 4 * connections + 50
        wrk = self.wrk(server, load, connections, self.chosen.warm_up + WARM_MOST)
        while wrk.process.poll() is None and (time.monotonic() - began < self.chosen.warm_up or
                                              self.upstream.requests() < wanted):
            time.sleep(0.05)
        wrk.process.send_signal(signal.SIGINT)  # it tells what it saw
        return wrk.result()


def check_signatures(bench, names):
    """Raises unless each signs as an independent reading of the API's document does."""
    for name in names:
        if not contestants.ALL[name].signs:
            continue
        server = bench.start(name, bench.upstream.echo_port)
        for size in loads.KINDS:
            load = loads.load(size)
            status, body, _ = loads.ask(server.port, load)
            text = signing.string_to_sign(contestants.KEY_ID, loads.WORKSPACE, load.path, load.bytes)
            wanted = "CENTION1-HMAC-SHA256 %s,%s" % (
                contestants.KEY_ID, signing.sign(contestants.SECRET, text))
            if status != 200 or body.decode() != '"%s"' % wanted:
                raise Failed("%s doesn't sign %d bytes as it should (%d)" % (name, size, status))
        server.stop()
        print("%s: its signatures of %s bytes are right" % (
            name, ", ".join(map(str, loads.KINDS))))


def void(problems, row):
    row["void"] = "; ".join(problems).replace("\n", " ")
    return row


def problems_of(seen, length, connections, came):
    """What is wrong with a run: nothing, or a list. Every answer has as many bytes as the one that was
    looked at; those under way at the end are the difference."""
    found = ["%d %s errors" % (n, kind) for kind, n in seen["errors"].items()]
    if not seen["requests"]:
        found.append("nothing was answered")
    elif seen["requests"] < connections:
        found.append("%d answers on %d connections: too short" % (seen["requests"], connections))
    elif not 0 <= seen["bytes"] - seen["requests"] * length <= connections * length:
        found.append("%(bytes)d bytes in %(requests)d answers" % seen + " of %d bytes" % length)
    if not 0 <= came - seen["requests"] <= connections:
        found.append("%d requests came to the upstream for %d answers" % (came, seen["requests"]))
    return found


def cell(bench, name, connections, size, round_):
    """One measurement, as a row of the table."""
    chosen, load = bench.chosen, loads.load(size)
    row = dict.fromkeys(report.COLUMNS, "")
    row.update(round=round_, contestant=name, connections=connections, body_bytes=size)
    try:
        first = bench.upstream.requests()
        server = bench.start(name)
        status, body, length = loads.ask(server.port, load)
        if status != 200 or body != contestants.ANSWER.encode():
            server.stop()
            return void(["the answer was %d %r" % (status, body[:80].decode(errors="replace"))], row)
        problems = []
        if chosen.warm_up:
            seen = bench.warm(server, load, connections)
            problems += ["warm-up: %d %s errors" % (n, kind) for kind, n in seen["errors"].items()]
            measure.quiet(server.pid)
        measure.reset_peak(server.pid)
        came, cpu = bench.upstream.requests(), measure.quiet(server.pid)
        core, began = measure.core_us(bench.core), time.monotonic()
        seen = bench.wrk(server, load, connections, chosen.seconds).result()
        after = measure.quiet(server.pid)
        core, took = measure.core_us(bench.core) - core, time.monotonic() - began
        peak = measure.memory_kb(server.pid)
        last = bench.upstream.requests()
        server.stop()
        problems += problems_of(seen, length, connections, last - came)
        # Each wrk may leave as many without an answer as it has connections.
        runs = 2 if chosen.warm_up else 1
        problems += server.check(last - first, last - first + runs * connections)
    except Failed as why:
        if bench.running and bench.running.process:
            measure.end(bench.running.process)
        return void([str(why)], row)
    count = last - came  # those without an answer have cost something, too
    if count:
        by_name = {who: used - cpu.by_name.get(who, 0.0) for who, used in after.by_name.items()}
        row.update(requests=count, answers=seen["requests"], seconds="%.3f" % seen["seconds"],
                   rps="%.1f" % (seen["requests"] / seen["seconds"]), p50_us=seen["p50_us"],
                   p99_us=seen["p99_us"], cpu_us="%.2f" % ((after.total - cpu.total) / count),
                   user_us="%.2f" % ((after.user - cpu.user) / count),
                   system_us="%.2f" % ((after.system - cpu.system) / count),
                   busy="%.2f" % ((after.total - cpu.total) / 1e6 / seen["seconds"]),
                   others="%.2f" % max(0.0, (core - (after.total - cpu.total)) / 1e6 / took), peak_kb=peak,
                   cpu_us_by_process=" ".join("%s=%.2f" % (who, used / count)
                                              for who, used in sorted(by_name.items())))
    return void(problems, row)


def compare(bench, names):
    chosen, rows = bench.chosen, []
    check_signatures(bench, names)
    folder = chosen.out
    with report.Csv(folder / "results.csv") as csv:
        for round_ in range(1, chosen.rounds + 1):
            shift = (round_ - 1) % len(names)
            for size in chosen.bodies:
                for connections in chosen.connections:
                    for name in names[shift:] + names[:shift]:
                        row = cell(bench, name, connections, size, round_)
                        rows.append(row)
                        csv.write(row)
                        print(report.line(row), flush=True)
    return rows


def main(arguments=None):
    chosen = options(arguments)
    names, absent = [], loads.missing() or ("" if contestants.which("nginx") else
                                            "nginx, which is the upstream, is not installed")
    if absent:
        sys.exit(absent)
    for name in chosen.contestants:
        why = contestants.ALL[name].missing(chosen.build)
        print("%s is left out: %s" % (name, why)) if why else names.append(name)
    if (chosen.profile or chosen.soak) and contestants.CentionProxy.missing(chosen.build):
        sys.exit(contestants.CentionProxy.missing(chosen.build))
    if not names:
        sys.exit("nobody to compare")
    chosen.out.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(chosen.out).free < ROOM:
        sys.exit("less than %d MiB are free in %s" % (ROOM >> 20, chosen.out))
    for number in ENDING:
        signal.signal(number, lambda n, _frame: sys.exit(
            "it took too long" if n == signal.SIGALRM else 128 + n))
    cells = chosen.rounds * len(chosen.bodies) * len(chosen.connections) * len(names)
    signal.alarm(600 + (chosen.soak or 0) // 200 + cells * (chosen.seconds + chosen.warm_up + 50))
    with Bench(chosen) as bench:
        if chosen.profile:
            return profiling.run(bench)
        if chosen.soak:
            return soak.run(bench, chosen.soak)
        machine = measure.machine(bench.audit)
        print(machine, flush=True)
        rows = compare(bench, names)
    table = report.markdown(rows, machine, chosen)
    (chosen.out / "table.md").write_text(table)
    (chosen.out / "bench.svg").write_text(report.picture(rows, machine))
    print("\n" + table)
    print("in %s: results.csv, table.md, bench.svg" % chosen.out)
    voids = [row for row in rows if row["void"]]
    if voids:
        print("%d of %d runs are void" % (len(voids), len(rows)))
    return 1 if voids else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as why:
        sys.exit("run.sh: %s" % why)
