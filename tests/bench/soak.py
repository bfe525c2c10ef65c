"""Many requests through cention-proxy alone: does its memory grow, and does retention hold the disk down?"""
import signal
import time

import loads
import measure
from measure import Failed

CONNECTIONS, WARM_UP = 64, 20000
# Small segments, so that many are begun, compressed and retired.
AUDIT = {"segment_bytes": 16 * 1024 * 1024, "keep_segments": 6, "compress": True}


def used_kb(folder):
    total = 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_blocks // 2
        except FileNotFoundError:
            pass
    return total


def tell(what, server, disk):
    sizes = ", ".join("%s %.1f MiB" % (name, kb / 1024)
                      for name, kb in sorted(measure.memory_by_name(server.pid).items()))
    print("%-22s resident: %s; audit log on disk %.1f MiB" % (what, sizes, disk / 1024), flush=True)


def run(bench, count):
    """0 when nothing went wrong."""
    load = loads.load(600)
    server = bench.start("cention-proxy", audit=AUDIT)
    limit = count // 400 + 120
    print("%d requests at %d connections, %d s at most" % (count, CONNECTIONS, limit), flush=True)
    first, began = bench.upstream.requests(), time.monotonic()
    wrk = bench.wrk(server, load, CONNECTIONS, limit)
    warm, marks, most = min(WARM_UP, count // 10), [], 0
    try:
        for what, mark in (("at the start", warm), ("in the middle", count // 2), ("at the end", count)):
            while (done := server.metric("cention_requests_total")) < mark:
                if wrk.process.poll() is not None or time.monotonic() - began > limit:
                    raise Failed("%d of %d requests in %d s" % (done, count, limit))
                most = max(most, used_kb(server.audit))
                time.sleep(0.2)
            marks.append(measure.memory_by_name(server.pid))
            tell("%s (%d)" % (what, done), server, used_kb(server.audit))
        wrk.process.send_signal(signal.SIGINT)  # it tells what it saw
        seen = wrk.result()
    finally:
        wrk.stop()
    measure.quiet(server.pid)
    came = bench.upstream.requests() - first
    measure.until(lambda: server.metric("cention_signatures_total") >= came, "a signature for each request")
    intents = server.metric("cention_signatures_total")
    seconds = time.monotonic() - began
    server.stop()
    print("%d answers in %.0f s; errors: %s; %d requests came to the upstream; %d signatures" % (
        seen["requests"], seconds, seen["errors"] or "none", came, intents))
    print("audit log: %.1f MiB on disk at most, %.1f MiB at the end" % (
        most / 1024, used_kb(server.audit) / 1024))
    kept = server.verify()
    print("what is left of it %s" % ("is sound" if not kept else "IS BROKEN: %s" % kept))
    for name in sorted(marks[0]):
        print("%s grew by %.1f MiB between start and middle, %.1f between middle and end" % (
            name, (marks[1].get(name, 0) - marks[0][name]) / 1024,
            (marks[2].get(name, 0) - marks[1].get(name, 0)) / 1024))
    return 1 if seen["errors"] or kept or came < seen["requests"] else 0
