"""Starts the real daemons in a temporary folder and talks to them. See conftest.py for fixtures."""
import http.client
import json
import os
import pathlib
import random
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

import leaks
import trail

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CENTION_BUILD", TOP))
API = TOP / "conf" / "cention-openapi.json"
SECRET = "s3cr3t-of-the-test-that-must-not-leak"
WORKERS = int(os.environ.get("CENTION_WORKERS", 0))  # of the proxies that don't say
KEYS = [{"id": "xyz", "secret": SECRET, "workspace": "televox"},
        {"id": "other-id", "secret": SECRET + "-2", "workspace": "second"}]
ALARMS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "ThreadSanitizer",
          "sandbox_denied")
JSON = {"Content-Type": "application/json"}


def program(name):
    return str(BUILD / "daemon" / name)


def sanitized():
    """Whether the programs under test carry a sanitizer: their memory is not the program's."""
    text = pathlib.Path(program("cention-proxyd")).read_bytes()
    return b"__asan_init" in text or b"__tsan_init" in text


def until(condition, seconds=10.0, what="the condition"):
    """Polls a condition that has no event of its own; returns its first true value. `what` is said
    when it doesn't come true; a function is asked then."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("%s did not come true in %g s" % (
                what() if callable(what) else what, seconds))
        time.sleep(0.005)


def free_ports(n):
    """Ports that nothing has now, and nothing gets by connecting while a server is down: they are
    below those that the kernel gives out."""
    first = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
    ports = []
    while len(ports) < n:
        port = random.randrange(first // 2, first)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def free_port():
    return free_ports(1)[0]


needs_signatures = pytest.mark.skipif(not trail.Ed25519PublicKey,
                                      reason="python3-cryptography is not installed")


class Daemon:
    """One process whose output is kept line by line."""

    def __init__(self, *command, env=None, cwd=None, stdin=None):
        self.process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=env, cwd=cwd, text=True,
                                        start_new_session=True)
        self.name = " ".join(map(str, command))
        self.lines = []
        leaks.note_daemon(self)
        self.traced = False
        self._changed = threading.Condition()
        self._rest, self._ended = b"", False
        self._pipe = self._poll()  # asked under the lock only
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _poll(self):
        pipe = select.poll()
        pipe.register(self.process.stdout, select.POLLIN)
        return pipe

    def _read(self):
        pipe = self._poll()
        while not self._ended:
            pipe.poll()
            self._fill()

    def _fill(self):
        """Takes all that the pipe holds, without waiting."""
        with self._changed:
            while not self._ended and self._pipe.poll(0):
                data = os.read(self.process.stdout.fileno(), 65536)
                self._ended = not data
                *lines, self._rest = (self._rest + data).split(b"\n")
                if self._ended and self._rest:
                    lines.append(self._rest)
                self.lines += [line.decode(errors="replace") for line in lines]
                if self._ended:
                    self.lines.append(None)  # the end
                self._changed.notify_all()

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        """All that it has written by now."""
        self._fill()
        with self._changed:
            return "\n".join(line for line in self.lines if line is not None)

    def wait_line(self, pattern, seconds=15.0, skip=0):
        """The match of the first line (after the first `skip` ones) that has the pattern."""
        end = time.monotonic() + seconds
        seen = skip
        with self._changed:
            while True:
                while seen < len(self.lines):
                    line = self.lines[seen]
                    seen += 1
                    if line is None:
                        raise AssertionError("ended without %r:\n%s" % (pattern, "\n".join(
                            x for x in self.lines if x is not None)))
                    match = re.search(pattern, line)
                    if match:
                        leaks.look(self.pid)
                        return match
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    raise AssertionError("no %r in:\n%s" % (pattern, "\n".join(
                        x for x in self.lines if x is not None)))

    def signal(self, number):
        """To the daemon itself, also when it runs under a tracer."""
        if not self.traced:
            self.process.send_signal(number)
            return
        children = open("/proc/%d/task/%d/children" % (self.pid, self.pid)).read().split()
        for child in children:
            os.kill(int(child), number)

    def stop(self, seconds=20.0):
        """SIGTERM; the exit code."""
        leaks.look(self.pid)
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("did not end in %g s:\n%s" % (seconds, self.log)) from None
        self._reader.join(5)
        return code

    def kill(self):
        leaks.look(self.pid)
        self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def memory(self):
        """Resident bytes."""
        for line in open("/proc/%d/status" % self.pid):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body
        leaks.note_answer(fields, body)

    def field(self, name):
        values = [v for k, v in self.fields if k.lower() == name.lower()]
        assert len(values) <= 1, self.fields
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def setting(value):
    """A Python value in libconfig's words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ %s }" % " ".join("%s = %s;" % (k, setting(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "( %s )" % ", ".join(setting(v) for v in value)
    if isinstance(value, (int, float)):
        return repr(value)
    return '"%s"' % str(value).replace("\\", "\\\\").replace('"', '\\"')


def settings(members):
    return "".join("%s = %s;\n" % (k, setting(v)) for k, v in members.items())


class Rig:
    """A keeper and a proxy in one folder, in front of one upstream URL.

    proxy= and keeper= are merged over the defaults: proxy={"limits": {...}, "upstream": {...}}.
    """

    def __init__(self, folder, upstream_url, ca_file="", keys=None, proxy=None, keeper=None):
        self.folder = pathlib.Path(folder)
        self.audit_folder = self.folder / "audit"
        self.audit_folder.mkdir(mode=0o750, exist_ok=True)
        self.keys_file = self.folder / "keys.conf"
        self.keeper_conf = self.folder / "keeper.conf"
        self.proxy_conf = self.folder / "proxy.conf"
        self.socket = self.folder / "keeper.sock"
        self.http_socket = self.folder / "http.sock"
        self.secrets = []  # what no log, record, answer, environment or command line may hold
        leaks.note_rig(self)
        self.write_keys(keys or KEYS)
        self.keeper_settings = {
            "socket": self.socket, "keys": self.keys_file,
            "audit": {"directory": self.audit_folder, "durability": "fsync"},
            "clients": "anyone", "limits": {"rejects": 1000000}}  # every refusal has its own record
        self.keeper_settings.update(keeper or {})
        self.proxy_settings = {
            "listen": [{"address": "127.0.0.1", "port": 0}, {"path": self.http_socket}],
            "admin": {"address": "127.0.0.1", "port": 0},
            "keeper": self.socket, "workspace": "televox", "api": API,
            "upstream": {"url": upstream_url, "ca_file": str(ca_file)}}
        if WORKERS:
            self.proxy_settings["workers"] = WORKERS
        self.merge(proxy or {})
        self.write_conf()
        self.keeper = self.proxy = None
        self.keeper_env = self.proxy_env = None  # the environment of those started from now on
        self.port = self.admin_port = None
        self.daemons = []

    def merge(self, changes):
        for name, value in changes.items():
            if isinstance(value, dict) and isinstance(self.proxy_settings.get(name), dict):
                self.proxy_settings[name] = {**self.proxy_settings[name], **value}
            else:
                self.proxy_settings[name] = value

    def write_keys(self, keys):
        text = settings({"keys": [{"workspace": k["workspace"], "access_key_id": k["id"],
                                   "access_key_secret": k["secret"]} for k in keys]})
        self.secrets += [k["secret"] for k in keys]
        self.keys_file.touch(mode=0o600)
        self.keys_file.chmod(0o600)
        self.keys_file.write_text(text)

    def write_conf(self):
        self.keeper_conf.write_text(settings(self.keeper_settings))
        self.proxy_conf.write_text(settings(self.proxy_settings))

    # -- processes

    def start_keeper(self, *command):
        self.keeper = Daemon(program("cention-keeperd"), "-c", str(self.keeper_conf), *command,
                             env=self.keeper_env)
        self.daemons.append(self.keeper)
        self.keeper.wait_line(r"event=listening address=unix:")
        return self.keeper

    def start_proxy(self, *wrapper):
        self.proxy = Daemon(*wrapper, program("cention-proxyd"), "-c", str(self.proxy_conf),
                            env=self.proxy_env)
        self.proxy.traced = bool(wrapper)
        self.daemons.append(self.proxy)
        self.learn_ports(self.proxy)
        return self.proxy

    def learn_ports(self, daemon):
        """The ports that a daemon chose, from its log."""
        line = r"event=listening listener=%s address=127\.0\.0\.1:(\d+)"
        daemon.wait_line(r"event=started")
        match = re.search(line % "api", daemon.log)
        self.port = int(match.group(1)) if match else None
        match = re.search(line % "admin", daemon.log)
        self.admin_port = int(match.group(1)) if match else None

    def start(self):
        self.start_keeper()
        self.start_proxy()
        self.wait_ready()
        return self

    def wait_ready(self, ready=True):
        until(lambda: (self.admin("/readyz").status == 200) == ready, what="readiness %s" % ready)

    def stop(self):
        """Ends all daemons in order and looks at what they said."""
        codes = []
        for daemon in (self.proxy, self.keeper):
            if daemon is not None and daemon.process.poll() is None:
                codes.append(daemon.stop())
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.stop()
            check_log(daemon.log)
        assert all(code == 0 for code in codes), (codes, [d.log for d in self.daemons])

    # -- requests

    def connection(self, timeout=20.0):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, method, path, body=None, headers=None, connection=None, timeout=20.0):
        """One request as an application makes it; a dict body is sent as JSON."""
        own = connection is None
        connection = connection or self.connection(timeout)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        if body is not None and not any(k.lower() == "content-type" for k in headers):
            headers.update(JSON)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            if own:
                connection.close()

    def unix(self, timeout=20.0):
        return UnixConnection(str(self.http_socket), timeout)

    def admin(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def metric(self, name):
        for line in self.admin("/metrics").body.decode().splitlines():
            if line.split(" ")[0] == name:
                return int(line.split(" ")[1])
        raise AssertionError("no metric %s" % name)

    def raw(self, data=b"", timeout=20.0):
        """A connected socket, with the bytes sent."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if data:
            sock.sendall(data)
        return sock

    # -- the trail

    def events(self):
        """The records that tell of more than the log itself."""
        return [r for r in self.records() if r["type"] not in ("segment", "checkpoint", "epoch")]

    def records(self, kind=None):
        return [r for r in audit(self.audit_folder) if kind is None or r["type"] == kind]


def audit(folder):
    """All records in order of seq; checks that seq has no gap and every line is whole. The log may
    be being written: see trail.whole."""
    while True:
        try:
            segments = [(p, trail.content(p)) for p in trail.segments(folder)]
            break
        except FileNotFoundError:
            pass  # one was compressed or retired meanwhile
    records = []
    for segment, text in segments:
        assert text == b"" or text.endswith(b"\n"), "truncated: %s" % segment
        lines = text.splitlines()
        if lines:
            assert json.loads(lines[0])["seq"] == trail.number(segment)
        records += [json.loads(line) for line in lines]
    first = records[0]["seq"] if records else 1
    assert [r["seq"] for r in records] == list(range(first, first + len(records)))
    return records


def check_log(text):
    """No sanitizer finding, no secret, nothing that could be a signature."""
    for alarm in ALARMS:
        assert alarm not in text, text
    assert SECRET not in text, "a log holds the secret"
    assert not re.search(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", text), text


def read_answer(stream):
    """The next answer from a binary file object over a raw socket; None at its end."""
    line = stream.readline()
    if not line:
        return None
    status = int(line.split(b" ")[1])
    fields = []
    while True:
        line = stream.readline()
        assert line.endswith(b"\r\n"), line
        if line == b"\r\n":
            break
        name, value = line[:-2].decode("latin-1").split(": ", 1)
        fields.append((name, value))
    names = {k.lower(): v for k, v in fields}
    if status < 200:
        return Answer(status, fields, b"")
    if names.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            size = int(stream.readline(), 16)
            body += stream.read(size)
            assert stream.readline() == b"\r\n"
            if size == 0:
                break
        return Answer(status, fields, body)
    if "content-length" in names:
        return Answer(status, fields, stream.read(int(names["content-length"])))
    return Answer(status, fields, stream.read())


def head(method, path, body=b"", host="localhost", extra=()):
    """A request's bytes, for raw sockets."""
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: %s" % host]
    if body:
        lines += ["Content-Type: application/json", "Content-Length: %d" % len(body)]
    return "\r\n".join(lines + list(extra)).encode("latin-1") + b"\r\n\r\n" + body
