"""A fast client (wrk) and a fast upstream, for tests and measurements of the daemons' own pace."""
import asyncio
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BODY = '{"name":"Support","active":true,"anonymize_day":365,"time_zone":"CET"}'
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"id": 17}'

# One JSON line at the end.
SCRIPT = """
wrk.method = "POST"
wrk.body = '%s'
wrk.headers["Content-Type"] = "application/json"
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        '\\n{"requests":%%d,"failed":%%d,"seconds":%%f,"p50_us":%%d,"p99_us":%%d,"max_us":%%d}\\n',
        summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
        summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency.max))
end
""" % BODY


def missing():
    """Why there can be no load; "" when there can."""
    return "" if shutil.which("wrk") else "wrk is not installed"


def catches(pid, number):
    """Whether the process has a handler for the signal; wrk takes one up when its load has begun."""
    status = pathlib.Path("/proc/%d/status" % pid).read_text()
    return int(re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.M)[1], 16) >> number - 1 & 1


def load(port, connections, seconds, enough=None, path="/v1/org"):
    """What wrk saw on that many keep-alive connections, each with one request under way.

    It ends after `seconds`, or as soon as enough() is true.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder) / "load.lua"
        script.write_text(SCRIPT)
        wrk = subprocess.Popen(
            ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--timeout", "10s",
             "-s", str(script), "http://127.0.0.1:%d%s" % (port, path)],
            stdout=subprocess.PIPE, text=True)
        try:
            while enough and wrk.poll() is None and not enough():
                time.sleep(0.01)
            while enough and wrk.poll() is None and not catches(wrk.pid, signal.SIGINT):
                time.sleep(0.01)
            if enough:
                wrk.send_signal(signal.SIGINT)
            out = wrk.communicate(timeout=seconds + 30)[0]
        finally:
            wrk.kill()
    assert wrk.returncode == 0, out
    return json.loads(out.splitlines()[-1])


class Upstream:
    """A process that answers every request with 200, without TLS. Use as a context manager."""

    def __enter__(self):
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        self.url = "http://localhost:%d" % int(self._process.stdout.readline())
        return self

    def __exit__(self, *ignored):
        self._process.stdin.close()  # its end
        self._process.wait(10)
        self._process.stdout.close()


class Protocol(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.have = transport, b""

    def data_received(self, data):
        self.have += data
        while True:
            head, end, rest = self.have.partition(b"\r\n\r\n")
            at = head.lower().find(b"\ncontent-length:")
            length = int(head[at + 16:].split(b"\r", 1)[0]) if at >= 0 else 0
            if not end or len(rest) < length:
                return
            self.have = rest[length:]
            self.transport.write(ANSWER)


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Protocol, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
