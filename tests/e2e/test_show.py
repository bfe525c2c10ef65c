"""cention-proxyctl audit show and audit diff."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest

import trail
from made import Made
from rig import program, sanitized, until

# What a terminal could take as a command, or what makes a text look like another.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x7f\x9b31m\u202egnp\u2066\u200b\r\n\t\x00"
HARMFUL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def ctl(*arguments, env=None):
    return subprocess.run([program("cention-proxyctl"), "audit", *map(str, arguments)],
                          capture_output=True, timeout=60, env=env)


def shown(*arguments, code=0):
    """The lines on a standard output that is no terminal."""
    result = ctl("show", *arguments)
    assert result.returncode == code, result
    return result.stdout.splitlines()


def ids(lines):
    """The ids of the requests shown, each once, in order."""
    return list(dict.fromkeys(json.loads(line).get("id") for line in lines))


def on_terminal(*arguments, columns=200, env=None):
    """What a terminal of so many columns gets, and the exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen([program("cention-proxyctl"), "audit", *map(str, arguments)],
                               stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                               env={**os.environ, **(env or {})})
    os.close(theirs)
    data = b""
    try:
        while True:
            data += os.read(ours, 65536)
    except OSError:  # EIO: the other side is closed
        pass
    os.close(ours)
    return data.decode().replace("\r\n", "\n"), process.wait(30)


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


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path / "log")


@pytest.fixture
def mixed(made):
    """Two segments with some of everything."""
    made.add("start", version="0.1.0", pid=1)
    made.add("key", workspace="televox", key="xyz", event="loaded")
    made.request("r1", fields={"name": "Support", "time_zone": "CET"})
    made.add("checkpoint", epoch=1, hash="0" * 64, signature="0" * 128)
    made.intent("r2", "POST", "/v1/org", {"name": "B\u00f6\"rje\""}, client={"user": "bob"})
    made.intent("r3", "DELETE", "/v1/area/7", workspace="second", client={"uid": 1001})
    made.outcome("r3", 404)
    made.segment()
    made.outcome("r2", 500, error="it Failed")
    made.reject("r4")
    made.request("r5", 0, path="/v1/org/1/x")
    made.intent("r6", path="/v1/org/2")
    made.add("novel", what={"a": [1]}, id="n1")
    return made


def test_json_lines_are_the_records_own_bytes(mixed):
    lines = shown(mixed.folder)
    wanted = {line: json.loads(line) for line in mixed.lines}
    wanted = {k: v for k, v in wanted.items()
              if v["type"] not in ("segment", "epoch", "checkpoint")}
    assert sorted(lines) == sorted(wanted)
    kinds = [(wanted[x]["type"], wanted[x].get("id")) for x in lines]
    # A request stands where its outcome does, intent first; open ones are last.
    assert kinds == [
        ("start", None), ("key", None), ("intent", "r1"), ("outcome", "r1"), ("intent", "r3"),
        ("outcome", "r3"), ("intent", "r2"), ("outcome", "r2"), ("reject", "r4"),
        ("intent", "r5"), ("outcome", "r5"), ("novel", "n1"), ("intent", "r6")]
    assert sorted(shown("--all", mixed.folder)) == sorted(mixed.lines)
    # Files in any order are the log, too.
    assert shown(*reversed(trail.segments(mixed.folder))) == lines


@pytest.mark.parametrize("options, wanted", [
    (["--client", "app"], "r1 r4 r5 r6"), (["--client", "bob"], "r2"),
    (["--client", "1000"], "r1 r4 r5 r6"), (["--client", "1001"], "r3"),
    (["--client", "ap"], ""), (["--workspace", "second"], "r3"),
    (["--method", "delete"], "r3"), (["--path", "/v1/org"], "r2"),
    (["--path", "/v1/org/*"], "r1 r4 r6"), (["--path", "/v1/:what/:id"], "r1 r3 r4 r6"),
    (["--path", "/v1/org/{id}", "--method", "PUT", "--status", "2xx"], "r1"),
    (["--path", "/v1/org/**"], "r1 r2 r4 r5 r6"), (["--path", "/v1/org/1/**"], "r1 r4 r5"),
    (["--status", "200"], "r1"), (["--status", "4xx"], "r3 r4"), (["--status", "404"], "r3"),
    (["--status", "none"], "r5 r6"), (["--status", "404,5xx,none"], "r2 r3 r5 r6"),
    (["--status", "422"], "r4"), (["--id", "r2"], "r2"), (["--id", "r"], ""),
    (["--type", "request"], "r1 r2 r3 r4 r5 r6"), (["--type", "reject"], "r4"),
    (["--type", "intent"], "r1 r2 r3 r5 r6"), (["--type", "outcome"], "r1 r2 r3 r5"),
    (["--type", "novel"], "n1"), (["--text", "b\u00f6\"RJE"], "r2"),
    (["--text", "it failed"], "r2"), (["--text", "no such words"], ""),
    (["--since", "2026-11-24T09:00:08Z", "--type", "request"], "r3 r4 r5 r6"),
    (["--until", "2026-11-24T09:00:07Z", "--type", "request"], "r1 r2"),
    (["--until", "2026-11-24"], ""), (["--since", "2026-11-25"], ""),
    (["--since", "2027-01-01T00:00:00.5Z"], ""), (["--until", "2020-01-01", "--id", "r1"], ""),
    (["-n", "2"], "n1 r6"), (["-n", "0"], ""), (["-n", "1", "--path", "/v1/org/1"], "r4"),
    (["--last", "99", "--id", "r1"], "r1"),
])
def test_filters(mixed, options, wanted):
    assert sorted(x for x in ids(shown(*options, mixed.folder)) if x) == wanted.split()


def test_ages(made):
    """Relative times count from now."""
    def stamp(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - seconds))
    for name, age in (("old", 7300), ("hour", 3700), ("new", 60)):
        made.add("reject", stamp(age), id=name, client={})
    assert ids(shown("--type", "reject", "--since", "2h", made.folder)) == ["hour", "new"]
    assert ids(shown("--type", "reject", "--until", "60m", made.folder)) == ["old", "hour"]


def test_one_type_alone(mixed):
    """Of a request, only the records of the types that were asked for."""
    lines = shown("--type", "outcome,stop", mixed.folder)
    assert {json.loads(x)["type"] for x in lines} == {"outcome"} and len(lines) == 4
    lines = shown("--type", "checkpoint", mixed.folder)
    assert [json.loads(x)["type"] for x in lines] == ["checkpoint"]


def test_ids_that_repeat(made):
    """An outcome closes the oldest open intent of its id."""
    a = made.intent("x", path="/a")
    b = made.intent("x", path="/b")
    one, two = made.outcome("x", 201), made.outcome("x", 404)
    assert shown("--id", "x", made.folder) == [a, one, b, two]
    assert shown("--path", "/b", made.folder) == [b, two]
    assert shown("--status", "201", made.folder) == [a, one]


def test_an_outcome_alone(made):
    """Its intent is in a segment that is not at hand."""
    made.intent("x")
    first = made.path
    made.segment()
    outcome = made.outcome("x", 500)
    first.unlink()
    assert shown(made.folder) == [outcome]
    assert shown("--status", "500", made.folder) == [outcome]
    assert shown("--client", "app", made.folder) == []
    text, code = on_terminal("show", made.folder)
    assert code == 0 and "500" in text


def test_damage(made):
    made.request("r1")
    text = made.path.read_bytes()
    made.raw(b"what is this?\n" + made.line("intent", id="bad").replace(b'"id":', b'"id"=') + b"\n")
    made.raw(made.line("reject", id="bad").replace(b'"reject",', b'"reject",,') + b"\n")
    made.raw(b"\x1b[2Jtorn")
    made.segment()
    made.request("r2")
    result = ctl("show", made.folder)
    # The torn line swallowed the record behind it: an epoch, of which nobody asked.
    assert result.returncode == 1 and ids(result.stdout.splitlines()) == ["r1", "r2"]
    errors = result.stderr.decode()
    assert "audit-1.jsonl: line 4, byte offset %d: skipped" % len(text) in errors
    assert "line 5," in errors and "line 6," in errors and "JSON" in errors
    assert errors.count("skipped") == 4 and "\x1b" not in errors


def test_the_last_line_of_a_live_log(made):
    made.request("r1")
    made.raw(made.line("reject", id="half")[:30])
    result = ctl("show", made.folder)
    assert (result.returncode, result.stderr) == (0, b"")
    assert ids(result.stdout.splitlines()) == ["r1"]
    # In any other segment it is damage.
    made.raw(b"")
    old = made.path
    made.path = None
    made.segment()
    result = ctl("show", made.folder)
    assert result.returncode == 1 and old.name + ": line 4" in result.stderr.decode()


def test_the_table(mixed):
    text, code = on_terminal("show", mixed.folder, env={"NO_COLOR": "1"})
    assert code == 0 and not HARMFUL.search(text)
    rows = text.splitlines()
    assert rows[0].split() == "TIME CLIENT METHOD WORKSPACE PATH STATUS TOOK SET ID".split()
    assert all(len(row) <= 200 for row in rows)
    cells = [re.split(r" {2,}", row) for row in rows]
    assert cells[3] == ["2026-11-24T09:00:04.000Z", "app", "PUT", "televox", "/v1/org/1", "200",
                        "48.2ms", "name=Support time_zone=CET", "r1"]
    assert cells[4][1:6] == ["uid:1001", "DELETE", "second", "/v1/area/7", "404"]
    assert cells[5][7] == 'error="it Failed" name="B\u00f6\\"rje\\""'
    assert cells[6][5] == "refused 422 invalid_field"
    assert cells[7][5] == "unknown" and cells[9][5] == "open" and cells[9][6] == "-"
    assert cells[1][1] == "[start] version=0.1.0 pid=1"
    assert cells[8][1] == '[novel] what="{\\"a\\":[1]}" id=n1'
    # Everywhere else the table must be asked for, and has no colour.
    assert b"\x1b" not in ctl("show", "--table", mixed.folder).stdout
    assert b"Support" in ctl("show", "--table", mixed.folder).stdout
    coloured, code = on_terminal("show", mixed.folder, env={"NO_COLOR": ""})
    assert "\x1b[32m200\x1b[0m" in coloured and "\x1b[31m404\x1b[0m" in coloured
    assert re.sub("\x1b\\[[0-9]*m", "", coloured) == text


def test_a_row_is_cut_to_the_terminal(made):
    made.request("r1", fields={"f%d" % i: "v" * 500 for i in range(30)})
    made.add("config", result="refused", error="e" * 5000)
    text, _ = on_terminal("show", made.folder, columns=150, env={"NO_COLOR": "1"})
    rows = text.splitlines()
    assert len(rows) == 3 and [len(r) for r in rows[1:]] == [150, 150]
    assert rows[1].endswith("\u2026  r1") and rows[2].endswith("\u2026")
    text, _ = on_terminal("show", made.folder, columns=40, env={"NO_COLOR": "1"})
    assert len(text.splitlines()) == 3


def test_values_that_are_not_told(made):
    made.request("r1", fields={"a": {"mac": "1234abcd" + "0" * 56}, "b": {"omitted": True}},
                 body_mac="0" * 64)
    text, _ = on_terminal("show", made.folder)
    assert "a=mac:1234abcd\u2026 b=(omitted)" in text


def test_nothing_harmful_reaches_a_terminal(made):
    client = {"name": HOSTILE, "uid": 7}
    made.request("r1", path="/v1/" + HOSTILE, fields={HOSTILE: HOSTILE, "b": {"mac": HOSTILE}},
                 client=client, method=HOSTILE, workspace=HOSTILE)
    made.request("r2", client={"user": HOSTILE}, fields={"b": {HOSTILE: HOSTILE}})
    made.reject("r3", code=HOSTILE, path=HOSTILE)
    made.intent("r4", path="/v1/" + HOSTILE)
    made.outcome("r4", 0, sent=HOSTILE, error=HOSTILE)
    made.add("novel", **{HOSTILE: HOSTILE, "id": HOSTILE, "a": [HOSTILE], "b": {HOSTILE: 1}})
    # Twice the same key: what is taken for the type is not what the line's beginning says.
    made.add("stop", x="y", **{"time ": HOSTILE})
    made.raw(made.line("stop", z="@").replace(
        b'"z":"@"', b'"type":"\\u001b[2J","time":"\\u001b[2J\\u202e"') + b"\n")
    made.raw(b"\x1b[2J\n")
    made.outcome(id="r5", error=HOSTILE)
    for form in ([], ["--table"], ["--json"], ["--all", "--json"]):
        text, code = on_terminal("show", *form, made.folder, env={"NO_COLOR": "1"})
        assert code == 1 and not HARMFUL.search(text), repr(text)
        assert "owned" in text
    text, _ = on_terminal("show", "--json", "--id", "r1", made.folder)
    lines = [line for line in text.splitlines() if line.startswith("{")]
    assert json.loads(lines[0])["client"] == client and len(lines) == 2
    for name in ("r1", "r2", "r3", "r4"):
        for form in ([], ["--json"]):
            text, code = on_terminal("diff", *form, name, made.folder, env={"NO_COLOR": "1"})
            assert not HARMFUL.search(text), repr(text)
    text, code = on_terminal("diff", HOSTILE.replace("\x00", ""), made.folder)
    assert code == 1 and not HARMFUL.search(text)


@pytest.mark.skipif(sanitized(), reason="a sanitizer's memory is not the program's")
def test_memory_is_not_the_log_s(made):
    """A log a good deal larger than what may be used to show it."""
    record, at = made.request("r0", fields={"name": "x" * 2000}), made.path
    with open(at, "ab") as f:
        for _ in range(20000):
            f.write(record[0] + b"\n" + record[1] + b"\n")
    size = at.stat().st_size
    assert size > 40_000_000
    for options in ([], ["-n", "10"], ["--table"], ["--status", "404"]):
        result = subprocess.run(["sh", "-c", 'ulimit -d 6000; exec "$0" "$@"',
                                 program("cention-proxyctl"), "audit", "show", *options,
                                 str(made.folder)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, timeout=60)
        assert (result.returncode, result.stderr) == (0, b""), options


# ---- follow


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


# ---- diff


def diff(*arguments, code=0):
    result = ctl("diff", *arguments)
    assert result.returncode == code, result
    return result.stdout.decode()


def fields(made, id, *options):
    """The result, and {field: (state, old, new, id of who set it)}."""
    change = json.loads(diff("--json", id, *options, made.folder))
    return change["result"], {
        f["field"]: (f["state"], f.get("old"), f.get("new"), f.get("set_by", {}).get("id"))
        for f in change["fields"]}


@pytest.fixture
def changed(made):
    made.request("a", fields={"name": "one", "zone": "CET", "same": "s"}, client={"name": "ops"})
    made.request("b", fields={"name": "two"}, client={"user": "bob", "uid": 7})
    made.request("c", 404, fields={"name": "three"})
    made.request("d", workspace="second", fields={"name": "four"})
    made.request("e", path="/v1/org/2", fields={"name": "five"})
    made.segment()
    made.request("f", method="POST", fields={"name": "six"})
    made.intent("g", fields={"name": "seven", "zone": "GMT", "same": "s", "fresh": "x y"})
    made.outcome("g")
    return made


def test_diff(changed):
    result, values = fields(changed, "g")
    assert result == "done" and values == {
        "name": ("changed", "two", "seven", "b"), "zone": ("changed", "CET", "GMT", "a"),
        "same": ("unchanged", "s", "s", "a"), "fresh": ("first", None, "x y", None)}
    text = diff("g", changed.folder)
    assert text.startswith("PUT /v1/org/1 in televox\n2026-11-24T09:00:")
    assert "status 200: done\n" in text
    assert '  name: "two" -> "seven"\n      was set 2026-11-24T' in text
    assert "by bob (uid 7), request b (seq " in text and "by ops, request a (seq " in text
    assert '  fresh: (not audited before) -> "x y"\n' in text
    assert "same:" not in text and "1 field set to what it was before" in text
    assert "elsewhere" in text and "POST" in text
    text = diff("--all", "g", changed.folder)
    assert '  same: unchanged: "s"\n      also set 2026-' in text
    text, _ = on_terminal("diff", "g", changed.folder, env={"NO_COLOR": "1"})
    assert "\x1b" not in text
    text, _ = on_terminal("diff", "g", changed.folder, env={"NO_COLOR": ""})
    assert '\x1b[31m"two"\x1b[0m -> \x1b[32m"seven"\x1b[0m' in text


def test_diff_of_the_first_and_of_a_creation(changed):
    result, values = fields(changed, "a")
    assert {v[0] for v in values.values()} == {"first"} and len(values) == 3
    result, values = fields(changed, "f")
    assert values == {"name": ("first", None, "six", None)}
    assert "can't be told from the log" in diff("f", changed.folder)


def test_diff_without_an_effect(changed):
    assert fields(changed, "c") == ("failed", {"name": ("changed", "two", "three", "b")})
    assert "nothing should have changed" in diff("c", changed.folder)
    changed.reject("refused")
    assert fields(changed, "refused") == ("refused", {})
    text = diff("refused", changed.folder)
    assert "status 422" in text and "name: too long" in text and "nothing was sent" in text
    for name, status, sent, words in (("none", 0, "none", "nothing was sent"),
                                      ("gone", 0, "all", "may not have happened"),
                                      ("bad", 502, "all", "may not have happened")):
        changed.intent(name, fields={"name": "z"})
        changed.outcome(name, status, sent)
        assert words in diff(name, changed.folder)
    changed.intent("open", fields={"name": "y"})
    text = diff("open", changed.folder)
    assert "no outcome yet" in text and '"seven" -> "y"' in text
    # Changes of which nobody knows whether they happened: the newest is told.
    assert 'maybe set to "z"' in text and "request bad" in text
    changed.request("last", fields={"name": "x"})
    text = diff("last", changed.folder)
    assert 'maybe set to "y"' in text and "request open" in text


def test_diff_of_a_deletion(changed):
    changed.request("h", method="DELETE")
    result, values = fields(changed, "h")
    assert result == "done" and values["name"] == ("deleted", "seven", None, "g")
    assert values["zone"] == ("deleted", "GMT", None, "g") and len(values) == 4
    assert '"seven" -> (deleted)' in diff("h", changed.folder)
    changed.request("i", fields={"name": "eight"})
    assert fields(changed, "i")[1] == {"name": ("first", None, "eight", None)}
    assert "was deleted before: 2026-" in diff("i", changed.folder)


def test_diff_of_masked_values(made):
    made.request("a", fields={"p": {"mac": "11" * 32}, "q": {"mac": "22" * 32}, "r": "open",
                              "s": {"omitted": True}})
    made.request("b", fields={"p": {"mac": "33" * 32}, "q": {"mac": "22" * 32},
                              "r": {"mac": "44" * 32}, "s": {"omitted": True}})
    result, values = fields(made, "b")
    assert [values[f][0] for f in "pqrs"] == ["changed", "unchanged", "unclear", "unclear"]
    text = diff("b", made.folder)
    assert "p: changed (kept as mac): mac:11111111\u2026 -> mac:33333333\u2026" in text
    assert 'r: can\'t be compared: "open" -> mac:44444444\u2026' in text
    assert "s: can't be compared: (omitted) -> (omitted)" in text
    assert "q: unchanged: mac:22222222\u2026" in diff("--all", "b", made.folder)


def test_diff_of_an_id_that_repeats(made):
    for i in range(12):
        made.request("x", fields={"name": "v%d" % i})
    text = diff("x", made.folder)
    assert '"v10" -> "v11"' in text and "11 other requests with this id" in text
    assert text.count("T09:00:") == 2 + 8
    change = json.loads(diff("--json", "x", made.folder))
    assert change["others"] == 11 and len(change["other_times"]) == 8
    assert change["other_times"][-1] == "2026-11-24T09:00:22.000000Z"
    text = diff("--time", "2026-11-24T09:00:05Z", "x", made.folder)
    assert '"v0" -> "v1"' in text and "1 other request with" in text
    made.reject("x")
    assert "12 other requests" in diff("x", made.folder)
    result = ctl("diff", "--time", "2020-01-01", "x", made.folder)
    assert result.returncode == 1 and b"up to that time" in result.stderr


def test_diff_of_requests_at_the_same_time(made):
    """Two changes under way together: nobody knows which came first."""
    made.intent("a", fields={"name": "a"})
    made.intent("b", fields={"name": "b"})
    made.intent("c", fields={"name": "c"})
    made.outcome("c")
    made.outcome("a")
    made.outcome("b")
    made.request("d", fields={"name": "d"})
    change = json.loads(diff("--json", "b", made.folder))
    assert [o["id"] for o in change["overlapping"]] == ["c", "a"]
    assert fields(made, "b")[1]["name"] == ("changed", "a", "b", "a")
    assert fields(made, "d")[1]["name"] == ("changed", "c", "d", "c")
    assert json.loads(diff("--json", "d", made.folder))["overlapping"] == []
    assert "came first is not known" in diff("b", made.folder)


def test_diff_of_a_log_s_later_part(changed):
    trail.segments(changed.folder)[0].unlink()
    assert fields(changed, "g")[1]["name"] == ("first", None, "seven", None)
    assert "begins at seq" in diff("g", changed.folder)


# ---- the command line


@pytest.mark.parametrize("arguments, code, words", [
    (["show", "--help"], 0, "audit verify"), (["diff", "--help"], 0, "audit verify"),
    (["show", "--what"], 2, "usage"), (["show", "--since", "soon"], 2, "--since"),
    (["show", "--until", ""], 2, "--until"), (["show", "--status", "4"], 2, "--status"),
    (["show", "-n", "-1"], 2, "-n"), (["show", "-n", "1x"], 2, "-n"),
    (["show", "--client", ""], 2, "empty"),
    (["show", "/none"], 1, "/none"), (["show", "-c", "/none.conf"], 78, "/none.conf"),
    (["diff"], 2, "usage"), (["diff", "--time", "soon", "x"], 2, "usage"),
    (["diff", "x", "/none"], 1, "/none"), (["diff", "-c", "/none.conf", "x"], 78, "/none.conf"),
])
def test_the_command_line(arguments, code, words):
    result = ctl(*arguments)
    assert result.returncode == code and words in (result.stdout + result.stderr).decode()


def test_an_id_that_nobody_had(changed):
    result = ctl("diff", "none", changed.folder)
    assert result.returncode == 1 and b"no request has the id none" in result.stderr
    assert result.stdout == b""
