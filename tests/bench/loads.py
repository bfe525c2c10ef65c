"""What is sent: calls with bodies that the API description allows, by wrk or one at a time."""
import http.client
import json
import pathlib
import shutil
import socket
import subprocess

from measure import Failed, end, spawn

WORKSPACE = "televox"
KINDS = {30: "30 bytes", 600: "600 bytes", 16384: "16 KiB"}


class Load:
    def __init__(self, size, path, body):
        self.size, self.path = size, path
        self.body = json.dumps(body, separators=(",", ":"))
        assert len(self.body) == size, (size, len(self.body))

    @property
    def bytes(self):
        return self.body.encode()


def _padded(size, path, body, name):
    """One value is made as long as it takes."""
    have = len(json.dumps(body, separators=(",", ":")))
    words = "Answers customers of the northern region in the languages they write in. "
    body[name] += (words * (size // len(words) + 1))[:size - have]
    return Load(size, path, body)


def load(size):
    """The call with a body of that many bytes."""
    day = {"start": "09:00", "end": "18:00", "working": True}
    if size == 30:
        return Load(30, "/v1/org/1", {"name": "Support Stockholm 1"})
    if size == 600:
        week = ("Monday", "Tuesday", "Wednesday", "Thursday")
        return _padded(600, "/v1/org/1", {
            "name": "Support Stockholm, ", "active": True, "anonymize_contact": True,
            "anonymize_day": 365, "external_id": "123456", "pro_active_chat": "1",
            "time_zone": "CET",
            "bright_settings": {"active": True, "language_code": "SE",
                                "survey_reference_code": "123"},
            "working_time_data": {name: day for name in week}}, "name")
    if size == 16384:
        return _padded(16384, "/v1/area/3", {
            "name": "Support", "organisation_id": 5, "has_chat": True, "time_zone": "CET",
            "description": "",
            "agent_groups": [{"id": 1000 + i, "name": "Agents of the northern team %03d" % i}
                             for i in range(200)],
            "working_time_data": {name: day for name in ("Monday", "Friday")}}, "description")
    raise Failed("no body of %d bytes: there are %s" % (size, ", ".join(map(str, KINDS))))


# The totals, as one line at the end. A latency of 0 tells that nothing was answered.
SCRIPT = """
wrk.method = "PUT"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("%s", "rb")
wrk.body = file:read("*a")
file:close()
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format('\\n{"requests":%%d,"bytes":%%d,"seconds":%%f,"connect":%%d,"read":%%d,' ..
        '"write":%%d,"status":%%d,"timeout":%%d,"p50_us":%%d,"p99_us":%%d}\\n',
        summary.requests, summary.bytes, summary.duration / 1e6, e.connect, e.read, e.write, e.status,
        e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""
ERRORS = ("connect", "read", "write", "status", "timeout")


def missing():
    return "" if shutil.which("wrk") else "wrk is not installed"


class Wrk:
    """One run on so many keep-alive connections, each with one request under way."""

    def __init__(self, folder, core, port, load_, connections, seconds):
        folder = pathlib.Path(folder)
        script, body, self._out = (folder / name for name in ("load.lua", "body.json", "wrk.out"))
        body.write_bytes(load_.bytes)
        script.write_text(SCRIPT % body)
        self._out.write_bytes(b"")
        self.seconds = seconds
        self.process = spawn(
            ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--timeout", "10s", "-s", script,
             "http://127.0.0.1:%d%s" % (port, load_.path)], core, self._out)

    def result(self):
        """What wrk saw; errors by kind in `errors`."""
        try:
            status = self.process.wait(self.seconds + 30)
        except subprocess.TimeoutExpired:
            raise Failed("wrk did not end") from None
        finally:
            self.stop()
        text = self._out.read_text()
        if status != 0 or "{" not in text:
            raise Failed("wrk ended with %d: %s" % (status, text[-400:]))
        seen = json.loads(text.strip().splitlines()[-1])
        seen["errors"] = {kind: seen[kind] for kind in ERRORS if seen[kind]}
        return seen

    def stop(self):
        end(self.process, 5)


def ask(port, load_):
    """One call by hand: (status, body, how many bytes its answer takes on the wire)."""
    head = ("PUT %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
            "Content-Length: %d\r\n\r\n" % (load_.path, port, load_.size)).encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(head + load_.bytes)
            seen = _Counted(sock)
            answer = http.client.HTTPResponse(seen, method="PUT")
            answer.begin()
            body = answer.read()
            length = answer.getheader("Content-Length")
            seen.file.close()
    except (OSError, http.client.HTTPException) as error:
        raise Failed("no answer: %r" % error) from None
    if length is None or int(length) != len(body):
        raise Failed("an answer without its Content-Length")
    return answer.status, body, seen.head + len(body)


class _Counted:
    """A socket for HTTPResponse that counts the bytes of the head's lines."""

    def __init__(self, sock):
        self.file, self.head = sock.makefile("rb"), 0

    def makefile(self, *_args):
        return self

    def readline(self, *args):
        line = self.file.readline(*args)
        self.head += len(line)
        return line

    def __getattr__(self, name):
        return getattr(self.file, name)
