"""Where the daemons spend their time at 64 connections and 600 bytes: perf if it works, else callgrind."""
import os
import pathlib
import re
import shutil
import subprocess

import loads
import measure
from measure import Failed

CONNECTIONS, SIZE, LINES = 64, 600, 40


def perf_works(folder):
    data = folder / "try.data"
    return shutil.which("perf") is not None and subprocess.run(
        ["perf", "record", "-q", "-g", "-o", str(data), "--", "true"], capture_output=True,
        check=False).returncode == 0 and data.exists()


def with_perf(bench, seconds):
    load = loads.load(SIZE)
    server = bench.start("cention-proxy")
    bench.warm(server, load, CONNECTIONS)
    wrk = bench.wrk(server, load, CONNECTIONS, seconds)
    recording = {}
    try:
        for pid, name in measure.names(server.pid).items():
            data = bench.folder / ("perf.%d" % pid)
            recording[pid, name, data] = measure.spawn(
                ["perf", "record", "-q", "-g", "-F", "1999", "-o", data, "-p", pid, "--",
                 "sleep", max(1, seconds - 1)], bench.other_core, bench.folder / "perf.log")
        seen = wrk.result()
        for process in recording.values():
            process.wait(60)
    finally:
        wrk.stop()
        for process in recording.values():
            measure.end(process)
    server.stop()
    if any(process.returncode for process in recording.values()):
        raise Failed("perf: %s" % (bench.folder / "perf.log").read_text()[-400:])
    print("%.0f requests/s, errors: %s" % (seen["requests"] / seen["seconds"], seen["errors"] or "none"))
    for pid, name, data in recording:
        # The sorted column: what is spent in the function itself, then with all that it calls.
        for children, what in (("--no-children", "self"), ("--children", "with children, self")):
            out = subprocess.run(
                ["perf", "report", "-i", data, "--stdio", "-g", "none", children, "--sort", "dso,symbol"],
                capture_output=True, text=True, timeout=300, check=False).stdout
            lines = [line for line in out.splitlines() if line.strip() and not line.startswith("#")]
            print("\n== %s (%d), %s" % (name, pid, what))
            print("\n".join(re.sub(r"[\s-]+$", "", line) for line in lines[:LINES]))


def with_callgrind(bench, seconds):
    if not shutil.which("valgrind"):
        raise Failed("neither perf nor valgrind works here")
    # It needs system calls that the sandbox denies; its instructions are counted, not its time.
    pattern = bench.folder / "callgrind.%p"
    server = bench.start("cention-proxy", sandbox="off", wrapper=(
        "valgrind", "-q", "--tool=callgrind", "--trace-children=yes", "--callgrind-out-file=%s" % pattern))
    bench.warm(server, loads.load(SIZE), CONNECTIONS)
    seen = bench.wrk(server, loads.load(SIZE), CONNECTIONS, 3 * seconds).result()
    server.stop()
    print("%d requests under callgrind, errors: %s" % (seen["requests"], seen["errors"] or "none"))
    for path in sorted(bench.folder.glob("callgrind.*")):
        found = re.search(r"^cmd:\s+(\S+)", path.read_text(errors="replace"), re.M)
        for inclusive in ("no", "yes"):
            out = subprocess.run(["callgrind_annotate", "--inclusive=%s" % inclusive, str(path)],
                                 capture_output=True, text=True, timeout=300, check=False).stdout
            lines = [line for line in out.splitlines() if re.match(r"\s*[\d,]+ \(", line)]
            print("\n== %s, %s" % (os.path.basename(found.group(1)) if found else path.name,
                                   "with children" if inclusive == "yes" else "self"))
            print("\n".join(line.replace(str(pathlib.Path(bench.chosen.build)), "") for line in lines[:LINES]))


def run(bench):
    seconds = max(2, bench.chosen.seconds)
    if perf_works(bench.folder):
        with_perf(bench, seconds)
    else:
        print("perf doesn't work here: callgrind counts instructions instead")
        with_callgrind(bench, seconds)
    return 0
