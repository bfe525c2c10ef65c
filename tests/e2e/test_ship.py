"""cention-shipd by itself: its settings and exit codes, what it tells the administrator, its sandbox,
and as whom it may run. What it brings to real centres: test_central.py, test_js.py."""
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile

import pytest

from rig import (Daemon, Rig, UnixConnection, check_log, free_port, program, sanitized, settings,
                 until)

pytestmark = pytest.mark.skipif(
    b"this build is without NATS" in pathlib.Path(program("cention-shipd")).read_bytes(),
    reason="the sinks here are NATS's, which this build is without")
EXPLOIT = str(pathlib.Path(__file__).with_name("exploit.py"))


class Ship:
    """A cention-shipd whose one centre is not there, for an audit folder."""

    def __init__(self, folder, audit):
        self.folder = folder / "ship"
        self.state = self.folder / "state"
        self.state.mkdir(parents=True)
        self.audit, self.socket = audit, self.folder / "admin.sock"
        self.conf = self.folder / "ship.conf"
        self.settings = {"audit": audit, "state": self.state, "host": "here", "admin": self.socket,
                         "sinks": [{"name": "stream", "type": "nats",
                                    "url": "nats://127.0.0.1:%d" % free_port()}]}
        self.daemon = None

    def write(self):
        self.conf.write_text(settings(self.settings))

    def start(self, *wrapper):
        self.write()
        self.daemon = Daemon(*wrapper, program("cention-shipd"), "-c", str(self.conf))
        self.daemon.wait_line(r"event=started")
        return self

    def ask(self, path, method="GET"):
        connection = UnixConnection(str(self.socket), 10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, name):
        for line in self.ask("/metrics")[1].splitlines():
            if line.startswith(name + "{") or line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError("no metric %s" % name)


@pytest.fixture
def ship(tmp_path):
    audit = tmp_path / "log"
    audit.mkdir(mode=0o750)
    ship = Ship(tmp_path, audit)
    yield ship
    if ship.daemon and ship.daemon.process.poll() is None:
        assert ship.daemon.stop() == 0, ship.daemon.log
    if ship.daemon:
        check_log(ship.daemon.log)


@pytest.fixture
def shipped(rig, tmp_path):
    """The same for a keeper's log."""
    ship = Ship(tmp_path, rig.audit_folder)
    yield ship
    if ship.daemon and ship.daemon.process.poll() is None:
        assert ship.daemon.stop() == 0, ship.daemon.log
    if ship.daemon:
        check_log(ship.daemon.log)


def run(*arguments):
    return subprocess.run([program("cention-shipd"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=30)


def test_usage():
    done = run("--help")
    assert done.returncode == 0 and "ship.conf" in done.stdout and done.stderr == ""
    done = run("--version")
    assert done.returncode == 0 and done.stdout.startswith("cention-shipd ")
    for wrong in (["--what"], ["something"], ["-c"]):
        done = run(*wrong)
        assert done.returncode == 2 and done.stderr, wrong


def test_check(ship):
    ship.write()
    done = run("-t", "-c", ship.conf)
    assert (done.returncode, done.stdout) == (0, "") and "good" in done.stderr
    assert list(ship.state.iterdir()) == []


@pytest.mark.parametrize("change, says", [
    ({"audit": "/nowhere/at/all"}, "/nowhere/at/all: No such file"),
    ({"state": "/nowhere/at/all"}, "/nowhere/at/all: No such file"),
    ({"colour": 1}, "colour: unknown setting"),
    ({"sinks": []}, "sinks: missing"),
    ({"sinks": [{"name": "a", "type": "nats", "url": "nats://x", "receipt": True}]},
     "sinks[0].receipt: a stream's acknowledgement is no archive receipt"),
    ({"sinks": [{"name": "a", "type": "nats", "url": "http://x"}]}, "ship.conf:5: sink \"a\""),
])
def test_bad_settings(ship, change, says):
    ship.settings.update(change)
    ship.write()
    done = run("-t", "-c", ship.conf)
    assert done.returncode == 78, done.stderr
    assert says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    if "nowhere" not in says and "sink " not in says:
        assert run("-c", ship.conf).returncode == 78
    else:  # what another start may mend
        assert run("-c", ship.conf).returncode == 1


def test_state_must_be_writable(ship):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    ship.state.chmod(0o500)
    ship.write()
    assert run("-t", "-c", ship.conf).returncode == 78


def test_waits_for_the_log(ship, make_rig, tmp_path):
    """No log yet: it lives, says so, and begins when the keeper has made one."""
    ship.start()
    assert ship.ask("/healthz") == (200, "alive\n")
    assert ship.ask("/readyz") == (503, "not ready: no audit log yet\n")
    assert ship.metric("cention_ship_log") == 0
    rig = make_rig(keeper={"audit": {"directory": ship.audit}})
    rig.start_keeper()
    ship.daemon.wait_line(r"event=shipping folder=\S+ host=here sinks=1")
    assert ship.metric("cention_ship_log") == 1


def test_administration(shipped, rig):
    shipped.start()
    assert stat.S_IMODE(shipped.socket.stat().st_mode) == 0o660
    shipped.daemon.wait_line(r"event=sink_lost sink=stream")
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    last = rig.records()[-1]["seq"]
    status, text = shipped.ask("/readyz")
    assert status == 503 and text.startswith("not ready\nstream: not connected, "), text
    assert "last error: " in text
    assert shipped.metric("cention_ship_lag_records") >= last
    until(lambda: shipped.metric("cention_ship_lag_seconds") > 0, what="a lag in seconds")
    assert shipped.metric("cention_ship_connected") == 0
    assert shipped.metric("cention_ship_acknowledged_seq") == 0
    for method in ("POST", "PUT", "DELETE", "HEAD"):
        assert shipped.ask("/readyz", method)[0] == 405
    assert shipped.ask("/other")[0] == 404
    assert shipped.ask("/healthz") == (200, "alive\n")
    # Nothing waits for it.
    assert rig.call("POST", "/v1/org", {"name": "m"}).status == 200
    assert shipped.daemon.stop() == 0
    assert not shipped.socket.exists()
    assert list(shipped.state.iterdir()) == []  # nothing was acknowledged


def test_signals(shipped):
    shipped.start()
    shipped.settings["log_level"] = "debug"
    shipped.write()
    shipped.daemon.signal(signal.SIGHUP)
    shipped.daemon.wait_line(r"event=reloaded .*restart")
    shipped.conf.write_text("nonsense")
    shipped.daemon.signal(signal.SIGHUP)
    shipped.daemon.wait_line(r"level=error event=reload_refused why=")
    shipped.daemon.signal(signal.SIGINT)
    assert shipped.daemon.process.wait(10) == 0
    shipped.daemon.wait_line(r"event=stopped")


def test_one_for_each_state_folder(shipped):
    """A second one would write over the first one's cursors; checking its file is no harm."""
    shipped.start()
    assert run("-t", "-c", shipped.conf).returncode == 0
    done = run("-c", shipped.conf)
    assert done.returncode == 1
    assert "%s: another cention-shipd keeps its cursors there" % shipped.state in done.stderr
    assert shipped.ask("/healthz") == (200, "alive\n")  # the first one still has its socket
    shipped.daemon.kill()
    shipped.start()


def test_several_sinks(shipped):
    shipped.settings["sinks"] = [
        {"name": "one", "type": "nats", "url": "nats://127.0.0.1:%d" % free_port()},
        {"name": "two", "type": "nats", "url": "nats://127.0.0.1:%d" % free_port()}]
    shipped.start()
    shipped.daemon.wait_line(r"event=sink_lost sink=one")
    shipped.daemon.wait_line(r"event=sink_lost sink=two")
    lines = shipped.ask("/readyz")[1].splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["one", "two"]


# ---- the sandbox, and as whom it runs ----

needs_takeover = [
    pytest.mark.skipif(sanitized(), reason="a build with sanitizers has no sandbox"),
    pytest.mark.skipif(os.geteuid() != 0 or platform.machine() != "x86_64",
                       reason="taking over another process needs root, and x86-64"),
    pytest.mark.skipif(b"event=sandbox_denied" in pathlib.Path(program("cention-shipd")).read_bytes(),
                       reason="this build answers to denied calls itself")]
AT = -100  # AT_FDCWD
READ, WRITE, CURSOR = os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_CREAT | os.O_EXCL


def taken(pid, *calls):
    """What these calls return in the running daemon: "done", "denied" or "killed"."""
    done = subprocess.run([sys.executable, EXPLOIT, str(pid), *map(json.dumps, calls)],
                          capture_output=True, text=True, timeout=60, check=True)
    value = json.loads(done.stdout.splitlines()[-1])
    return value if value == "killed" else "done" if value >= 0 else (
        "denied" if -value in (1, 13, 38) else value)


def landlock(daemon):
    version = daemon.wait_line(r"event=sandbox state=on seccomp=on landlock=(\w+)").group(1)
    return version != "none"


@pytest.mark.skipif(sanitized(), reason="a build with sanitizers has no sandbox")
def test_is_confined(shipped):
    shipped.start()
    landlock(shipped.daemon)
    shipped.daemon.wait_line(r"event=sink_lost")
    tasks = list(pathlib.Path("/proc/%d/task" % shipped.daemon.pid).iterdir())
    for task in tasks:  # the library's threads, too
        text = (task / "status").read_text()
        assert "Seccomp:\t2\n" in text and "NoNewPrivs:\t1\n" in text, text


class TestTakenOver:
    pytestmark = needs_takeover

    def test_it_cannot_write_the_audit_log(self, shipped, rig):
        shipped.start()
        has_landlock = landlock(shipped.daemon)
        shipped.daemon.wait_line(r"event=sink_lost")
        pid = shipped.daemon.pid
        segment = str(next(rig.audit_folder.glob("audit-*.jsonl")))
        new = str(rig.audit_folder / "audit-99.jsonl")
        cursor = str(shipped.state / ".stream.cursor.new")
        before = pathlib.Path(segment).read_bytes()
        assert taken(pid, ["openat", AT, segment, READ, 0]) == "done"
        assert taken(pid, ["openat", AT, segment, WRITE, 0]) == "denied"
        assert taken(pid, ["openat", AT, segment, os.O_RDWR, 0]) == "denied"
        assert taken(pid, ["openat", AT, segment, os.O_RDONLY | os.O_TRUNC, 0]) == "denied"
        assert taken(pid, ["openat", AT, new, os.O_RDWR | os.O_CREAT, 0o600]) == "denied"
        assert taken(pid, ["chmod", segment, 0o666]) == "denied"
        assert taken(pid, ["rename", segment, new]) == "denied"
        assert taken(pid, ["openat", AT, cursor, CURSOR, 0o600]) == "done"
        if has_landlock:
            assert taken(pid, ["openat", AT, new, CURSOR, 0o600]) == "denied"
            assert taken(pid, ["unlink", segment]) == "denied"
            assert taken(pid, ["openat", AT, str(rig.keys_file), READ, 0]) == "denied"
        assert pathlib.Path(segment).read_bytes().startswith(before)
        assert not pathlib.Path(new).exists()
        assert taken(pid, ["bind", 3, [0] * 16, 16]) == "denied"
        assert taken(pid, ["listen", 3, 1]) == "denied"
        assert taken(pid, ["fork"]) == "denied"
        assert shipped.ask("/healthz")[0] == 200
        assert taken(pid, ["execve", "/bin/sh", 0, 0]) == "killed"
        shipped.daemon.process.wait(10)


    def test_it_connects_to_ports_of_its_centres_alone(self, shipped):
        def address(port):
            return [*socket.AF_INET.to_bytes(2, "little"), *port.to_bytes(2, "big"), 127, 0, 0, 1] + [0] * 8

        with socket.create_server(("127.0.0.1", 0)) as centre, \
                socket.create_server(("127.0.0.1", 0)) as other:
            shipped.settings["sinks"][0]["url"] += ",nats://127.0.0.1:%d" % centre.getsockname()[1]
            shipped.start()
            line = shipped.daemon.wait_line(r"event=sandbox state=on seccomp=on landlock=(\w+)(?: ports=(\w+))?")
            if line.group(1) == "none" or int(line.group(1)) < 4:
                pytest.skip("this kernel's Landlock doesn't confine ports")
            assert line.group(2) == "confined"
            pid, new = shipped.daemon.pid, ["socket", socket.AF_INET, socket.SOCK_STREAM, 0]
            assert taken(pid, new, ["connect", "$", address(centre.getsockname()[1]), 16]) == "done"
            assert taken(pid, new, ["connect", "$", address(other.getsockname()[1]), 16]) == "denied"


@pytest.mark.skipif(sanitized(), reason="a build with sanitizers has no sandbox")
def test_ports_that_are_not_known(shipped):
    """A file of services may name any."""
    shipped.settings["sinks"] = [{"name": "archive", "type": "postgresql",
                                  "url": "service=there"}]
    shipped.start()
    assert "ports=confined" not in shipped.daemon.wait_line(r"event=sandbox state=on .*").group(0)


@pytest.fixture
def open_folder():
    """One that other users get into."""
    folder = tempfile.mkdtemp(prefix="cention-ship-")
    os.chmod(folder, 0o755)
    yield pathlib.Path(folder)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_as_its_own_user(open_folder):
    """As the units have it: another user, in the group of the audit folder. It reads the log, and
    neither the secrets beside it nor what else is the keeper's."""
    keeper, shipper = 61501, 61502
    rig = Rig(open_folder, "http://127.0.0.1:1")
    programs = {}
    for name in ("cention-keeperd", "cention-shipd"):  # the build may be out of others' reach
        programs[name] = open_folder / name
        shutil.copy(program(name), programs[name])
    for path in (rig.audit_folder, rig.keys_file, rig.keeper_conf):
        os.chown(path, keeper, keeper)
    run_folder = open_folder / "run"
    run_folder.mkdir()
    os.chown(run_folder, keeper, keeper)
    rig.socket = run_folder / "keeper.sock"
    rig.keeper_settings["socket"] = rig.socket
    rig.write_conf()

    def as_user(uid, *groups):
        return ["setpriv", "--reuid", str(uid), "--regid", str(uid), *(
            ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"])]

    def attempt(*command, group=keeper):
        return subprocess.run([*as_user(shipper, *([group] if group else [])), *map(str, command)],
                              capture_output=True, text=True, timeout=30)
    ship = Ship(open_folder, rig.audit_folder)
    for path in (ship.folder, ship.state):
        os.chown(path, shipper, shipper)
    ship.write()
    daemons = [Daemon(*as_user(keeper), programs["cention-keeperd"], "-c", rig.keeper_conf)]
    try:
        daemons[0].wait_line(r"event=listening address=unix:")
        ship.daemon = Daemon(*as_user(shipper, keeper), programs["cention-shipd"], "-c", ship.conf)
        daemons.append(ship.daemon)
        ship.daemon.wait_line(r"event=shipping")
        ship.daemon.wait_line(r"event=sink_lost")
        until(lambda: ship.metric("cention_ship_lag_records") > 0, what="it has read the log")
        segments = list(rig.audit_folder.glob("audit-*"))
        secret = [p for p in rig.audit_folder.iterdir() if p not in segments]
        assert {p.name.split("-")[0] for p in secret} == {".lock", ".fields.key", ".epoch"}
        for path in [*secret, rig.keys_file]:
            done = attempt("cat", path)
            assert "Permission denied" in done.stderr and done.stdout == "", path
        for path in segments:
            done = attempt("cat", path)
            assert done.returncode == 0 and done.stdout, path
        assert "Permission denied" in attempt("ls", rig.audit_folder, group=None).stderr
        done = attempt(programs["cention-shipd"], "-t", "-c", ship.conf, group=None)
        assert done.returncode == 78 and "Permission denied (who reads" in done.stderr
        connect = "import socket; socket.socket(socket.AF_UNIX).connect(%r)" % str(rig.socket)
        assert "PermissionError" in attempt(sys.executable, "-c", connect).stderr
    finally:
        for daemon in reversed(daemons):
            assert daemon.stop() == 0, daemon.log
            check_log(daemon.log)
