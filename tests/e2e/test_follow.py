"""cention-proxyctl audit show -f."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

import trail
from audit_tool import ctl, ids, shown
from rig import program, sanitized, until


class Follower:
    """`audit show -f`, whose lines are waited for."""

    def __init__(self, *arguments, wrapper=()):
        self.process = subprocess.Popen(
            [*wrapper, program("cention-proxyctl"), "audit", "show", "-f", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip(b"\n"))

    def wait(self, n):
        until(lambda: len(self.lines) >= n, 20, "line %d of %r" % (n, self.lines))
        return self.lines[:n]

    @contextlib.contextmanager
    def held(self):
        """It does nothing meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        stat = pathlib.Path("/proc/%d/stat" % self.process.pid)
        until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", what="a held process")
        yield
        self.process.send_signal(signal.SIGCONT)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(20)
        self._thread.join(20)
        return code, self.process.stderr.read().decode()


def test_follow_across_segments(made):
    made.request("r1")
    follower = Follower(made.folder)
    follower.wait(2)
    made.intent("r2")
    made.segment()
    made.outcome("r2")
    assert ids(follower.wait(4)) == ["r1", "r2"]
    # Several at once, while it isn't looking.
    with follower.held():
        made.segment()
        last = made.add("reject", id="r3")
        made.segment()
        made.segment()
    assert follower.wait(5)[-1] == last
    made.intent("r4")
    made.raw(b"what?\n")
    last = made.add("reject", id="r5")
    assert follower.wait(6)[-1] == last
    code, errors = follower.stop()
    assert code == 1 and errors.count("skipped") == 1
    # At the end, what is still open.
    assert ids(follower.lines) == ["r1", "r2", "r3", "r5", "r4"]


def test_follow_a_line_in_pieces(made):
    made.request("r1")
    follower = Follower("-n", "1", made.folder)
    follower.wait(2)
    line = made.line("reject", id="r2")
    for i in range(0, len(line), 40):
        made.raw(line[i:i + 40])
    made.raw(b"\n")
    assert follower.wait(3)[-1] == line
    # A torn end is cut off, and other records are written in its place.
    size = made.path.stat().st_size
    for i in range(20):
        made.raw(b'{"seq":9,"time":"2026-11-24T09:' + b"x" * i * 20)
        os.truncate(made.path, size)
        wanted = made.add("reject", id="n%d" % i)
        assert follower.wait(i + 4)[-1] == wanted
        size = made.path.stat().st_size
    assert follower.stop(signal.SIGINT) == (0, "")


def test_follow_one_file_and_filters(made, tmp_path):
    made.request("r1")
    copy = tmp_path / "copy"
    copy.write_bytes(made.path.read_bytes())
    follower = Follower("--status", "404", copy)
    other = Follower("-n", "1", "--status", "404", made.path)
    made.request("r2", 404)
    made.request("r3")
    made.segment()
    made.request("r4", 404)
    assert ids(other.wait(4)) == ["r2", "r4"]
    with open(copy, "ab") as f:
        f.write(b"".join(line + b"\n" for line in made.lines[3:5]))
    assert ids(follower.wait(2)) == ["r2"]
    assert follower.stop() == (0, "") and other.stop(signal.SIGINT) == (0, "")


def test_follow_ends_when_nobody_reads(made):
    made.request("r1")
    process = subprocess.Popen([program("cention-proxyctl"), "audit", "show", "-f", made.folder],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline()
    process.stdout.close()
    process.wait(20)
    assert process.stderr.read() == b""


def test_follow_is_idle_when_nothing_happens(made):
    made.request("r1")
    follower = Follower(made.folder)
    follower.wait(2)
    made.request("r2")
    follower.wait(4)

    def used():
        """How often it slept, and the processor's ticks that it took."""
        proc = pathlib.Path("/proc/%d" % follower.process.pid)
        slept = re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", (proc / "status").read_text())
        times = (proc / "stat").read_text().rsplit(")", 1)[1].split()
        return int(slept.group(1)), int(times[11]) + int(times[12])

    slept, ticks = used()
    time.sleep(1.5)  # this is what is measured
    more_slept, more_ticks = used()
    assert more_slept - slept < 12 and more_ticks - ticks < 0.3 * os.sysconf("SC_CLK_TCK")
    assert follower.stop() == (0, "")


@pytest.mark.skipif(not shutil.which("strace") or sanitized(),
                    reason="strace is not installed, or a sanitizer can't be traced")
def test_follow_without_inotify(made, tmp_path):
    """It then looks four times a second."""
    made.request("r1")
    trace = tmp_path / "trace"
    follower = Follower(made.folder, wrapper=(
        "strace", "-f", "-o", str(trace), "-e", "trace=inotify_init1,ppoll",
        "-e", "inject=inotify_init1:error=EMFILE"))
    follower.wait(2)
    made.segment()
    made.request("r2")
    assert ids(follower.wait(4)) == ["r1", "r2"]
    until(lambda: trace.read_text().count("(Timeout)") >= 3, what="three looks")
    assert "tv_nsec=250000000" in trace.read_text() and "INJECTED" in trace.read_text()
    pid = follower.process.pid
    child = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()[0]
    os.kill(int(child), signal.SIGTERM)  # strace ends with what it traces
    assert follower.process.wait(20) == 0


def test_follow_a_log_that_was_cut(made):
    made.request("r1")
    follower = Follower(made.folder)
    follower.wait(2)
    os.truncate(made.path, 10)
    assert follower.process.wait(20) == 1
    assert "no longer in it" in follower.process.stderr.read().decode()


def test_follow_a_keeper(make_rig):
    """A real log with tiny segments: every request once, in whole pairs."""
    rig = make_rig()
    rig.keeper_settings["audit"]["segment_bytes"] = 4096
    rig.write_conf()
    rig.start()
    follower = Follower("--type", "request", "-c", rig.keeper_conf)
    objects = [rig.call("POST", "/v1/org", {"name": "new"}).json["id"] for _ in range(3)]
    for i in range(40):
        answer = rig.call("PUT", "/v1/org/%s" % objects[i % 3], {"name": "n%d" % i})
        assert answer.status == 200
    assert rig.call("PUT", "/v1/org/1", {"nam": "x"}).status == 422
    follower.wait(87)
    assert follower.stop() == (0, "")
    assert len(trail.segments(rig.audit_folder)) >= 5
    records = [json.loads(line) for line in follower.lines]
    wanted = rig.records("intent"), rig.records("outcome"), rig.records("reject")
    assert [r for r in records if r["type"] == "intent"] == wanted[0]
    assert [r for r in records if r["type"] == "outcome"] == wanted[1]
    assert records[-1:] == wanted[2]
    assert [r["type"] for r in records[:-1]] == ["intent", "outcome"] * 43
    # The same, afterwards, and what each changed.
    assert shown("--type", "request", rig.audit_folder) == follower.lines
    change = json.loads(ctl("diff", "--json", records[-3]["id"], rig.audit_folder).stdout)
    assert change["result"] == "done" and change["path"] == "/v1/org/%s" % objects[0]
    assert [(f["field"], f["state"], f["old"], f["new"]) for f in change["fields"]] == [
        ("name", "changed", "n36", "n39")]
    assert change["fields"][0]["set_by"]["id"] == wanted[0][39]["id"]
