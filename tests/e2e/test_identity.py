"""Who called: uids by the kernel's word, for TCP and Unix sockets, and tokens that nobody sees."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

from rig import head, read_answer, sanitized, until
from test_keeper import memory_has

ROOT = os.geteuid() == 0
AS_OTHERS = pytest.mark.skipif(not ROOT, reason="only root can become another user")
UIDS = [os.geteuid()] + ([12345, 65534] if ROOT else [])
PYTHON = os.path.realpath("/usr/bin/python3")
TOKEN = "tok-Zq7~9xWv.Ab_c+d/e=="

# A client of its own: where, and what to send; prints its pid and the answer's first line.
CALL = """
import os, socket, sys
where, data = sys.argv[1], sys.argv[2].encode()
host, _, port = where.rpartition(":")
if where.startswith("/"):
    s = socket.socket(socket.AF_UNIX)
    s.connect(where)
else:
    s = socket.create_connection((host, int(port)))
s.sendall(data)
print(os.getpid(), s.makefile("rb").readline().decode().strip())
"""

# Sends and closes, by RST and FIN in turn, many times.
CLOSE = """
import socket, struct, sys
port, data, times = int(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3])
for i in range(times):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(data.replace(b"NUMBER", b"%d" % i))
    if i % 2:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
"""

# Connects, and sends and closes when it is told to.
WAIT = """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("connected", flush=True)
sys.stdin.readline()
s.sendall(sys.argv[2].encode())
s.close()
print("closed", flush=True)
sys.stdin.readline()
"""

# Sends from an address and resets; prints the port.
RESET = """
import socket, struct, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), source_address=(sys.argv[3], 0))
port = s.getsockname()[1]
s.sendall(sys.argv[2].encode())
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()
print(port)
"""


def as_user(uid, script, *args, **kwargs):
    """The script as that user's process."""
    if uid != os.geteuid():
        kwargs.update(user=uid, group=uid, extra_groups=[])
    return subprocess.Popen([PYTHON, "-I", "-c", script] + [str(a) for a in args], cwd="/",
                            stdout=subprocess.PIPE, text=True, **kwargs)


def request(name="n", extra=(), path="/v1/org"):
    return head("POST", path, json.dumps({"name": name}).encode(), extra=extra).decode()


def called(uid, where, data):
    """One call as that user; the client's pid and the status."""
    client = as_user(uid, CALL, where, data)
    pid, _, status, *_ = client.communicate(timeout=30)[0].split()
    assert client.returncode == 0
    return int(pid), int(status)


def quiet(rig):
    until(lambda: rig.metric("cention_client_connections") == 0 and
          rig.metric("cention_running") == 0, seconds=30, what="the end of all connections")


def whose(rig):
    """Request id -> client of its intent or reject record."""
    return {r["id"]: r["client"] for r in rig.records() if r["type"] in ("intent", "reject")}


@pytest.fixture
def open_folder():
    """A folder that every user may enter; pytest's own may be entered by one alone."""
    folder = tempfile.mkdtemp(prefix="cention-identity-", dir="/tmp")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("uid", UIDS)
def test_tcp(make_rig, uid):
    rig = make_rig(proxy={"listen": [{"address": "127.0.0.1", "port": 0},
                                     {"address": "::1", "port": 0}]}).start()
    port = re.search(r"address=\[::1\]:(\d+)", rig.proxy.log).group(1)
    for where in ("127.0.0.1:%d" % rig.port, "::1:" + port):
        assert called(uid, where, request(extra=["X-Request-Id: good"]))[1] == 200
        assert called(uid, where, request(extra=["X-Request-Id: bad"], path="/v1/no"))[1] == 404
        for record in rig.records("intent")[-1], rig.records("reject")[-1]:
            assert record["client"]["uid"] == uid and record["client"]["via"] == "tcp"
            assert not {"pid", "exe", "unit", "name", "user"} & set(record["client"])
    assert "identity_" not in rig.proxy.log


@pytest.mark.parametrize("sandbox", ["enforce", "off"])
@pytest.mark.parametrize("uid", UIDS)
def test_unix(make_rig, open_folder, uid, sandbox):
    """Landlock keeps other processes' executables from the proxy; the rest is known all the same."""
    where = open_folder + "/http.sock"
    rig = make_rig(proxy={"sandbox": sandbox,
                          "listen": [{"address": "127.0.0.1", "port": 0},
                                     {"path": where, "mode": "0666"}]}).start()
    pids = [called(uid, where, request())[0], called(uid, where, request(path="/v1/no"))[0]]
    records = rig.records("intent") + rig.records("reject")
    assert [r["client"]["uid"] for r in records] == [uid, uid]
    assert [r["client"]["pid"] for r in records] == pids
    for record in records:
        assert record["client"]["via"] == "unix"
        assert record["client"]["address"] == "unix:" + where
        # Landlock lets the proxy look at no other process.
        seen = re.search(r"event=sandbox state=on .*landlock=[1-9]", rig.proxy.log)
        assert record["client"].get("exe") == (None if seen else PYTHON)
        units = re.findall(r"([^/\n]+\.(?:service|scope))", open("/proc/self/cgroup").read())
        assert bool(units) == ("unit" in record["client"])


def test_keep_alive_and_pipelines(rig):
    """Every request of a connection is somebody's, also those that wait behind another."""
    with rig.raw(b"".join(request("n%d" % i).encode() for i in range(20))) as sock:
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as stream:
            for _ in range(20):
                assert read_answer(stream).status == 200
    assert [r["client"].get("uid") for r in rig.records("intent")] == [os.geteuid()] * 20


@AS_OTHERS
def test_who_closed_is_never_root(rig):
    """Sent and closed, in a race: whoever it was, it was not root."""
    client = as_user(12345, CLOSE, rig.port, request(extra=["X-Request-Id: n-NUMBER"]), 400)
    assert client.wait(60) == 0
    quiet(rig)
    clients = whose(rig)
    assert len(clients) > 100
    assert {c.get("uid", "unknown") for c in clients.values()} <= {12345, "unknown"}


@AS_OTHERS
def test_who_closed_before_accept_is_unknown(rig):
    rig.proxy.signal(signal.SIGSTOP)
    client = as_user(12345, CLOSE, rig.port, request(extra=["X-Request-Id: n-NUMBER"]), 40)
    assert client.wait(60) == 0
    rig.proxy.signal(signal.SIGCONT)
    quiet(rig)
    clients = whose(rig)
    assert {"n-%d" % i for i in range(0, 40, 2)} <= set(clients)
    assert all("uid" not in c for c in clients.values()), clients
    assert "event=identity_lost" not in rig.proxy.log


@AS_OTHERS
def test_who_closed_after_accept_is_unknown_and_told(rig):
    client = as_user(12345, WAIT, rig.port, request() * 3, stdin=subprocess.PIPE)
    assert client.stdout.readline() == "connected\n"
    until(lambda: rig.metric("cention_client_connections") == 1, what="the connection")
    rig.proxy.signal(signal.SIGSTOP)
    client.stdin.write("\n")
    client.stdin.flush()
    assert client.stdout.readline() == "closed\n"
    rig.proxy.signal(signal.SIGCONT)
    quiet(rig)
    client.communicate("\n", timeout=30)
    clients = [r["client"] for r in rig.records("intent")]
    assert clients and all("uid" not in c and c["via"] == "tcp" for c in clients)
    lost = [line for line in rig.proxy.lines if "event=identity_lost" in line]
    assert len(lost) == 1 and "level=warning" in lost[0] and "uid=12345" in lost[0]


@AS_OTHERS
def test_a_port_used_again_is_not_its_first_user_s(rig):
    """12345 sends and resets; root has the same port before the proxy accepts either."""
    # An address of our own, so that nobody else happens to use the port.
    where = "127.78.%d.%d" % divmod(os.getpid() % 65536, 256)
    rig.proxy.signal(signal.SIGSTOP)
    client = as_user(12345, RESET, rig.port, request(extra=["X-Request-Id: first"]), where)
    port = int(client.communicate(timeout=30)[0])
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((where, port))
        sock.connect(("127.0.0.1", rig.port))
        sock.sendall(request(extra=["X-Request-Id: second"]).encode())
        rig.proxy.signal(signal.SIGCONT)
        with sock.makefile("rb") as stream:
            assert read_answer(stream).status == 200
    quiet(rig)
    clients = whose(rig)
    assert clients["second"]["uid"] == 0
    assert "uid" not in clients.get("first", {}), clients
    assert "event=identity_unknown address=%s:%d" % (where, port) in rig.proxy.log


class Wall:
    """Stands between proxy and keeper, and keeps what the proxy says."""

    def __init__(self, path, keeper):
        self.heard = b""
        self._keeper = str(keeper)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(4)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                proxy = self._listener.accept()[0]
                keeper = socket.socket(socket.AF_UNIX)
                keeper.connect(self._keeper)
            except OSError:
                return
            threading.Thread(target=self._pump, args=(proxy, keeper, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(keeper, proxy, False), daemon=True).start()

    def _pump(self, source, to, keep):
        try:
            while data := source.recv(65536):
                if keep:
                    self.heard += data
                to.sendall(data)
        except OSError:
            pass
        finally:
            to.close()

    def close(self):
        self._listener.close()


@pytest.fixture
def walled(make_rig, tmp_path):
    """A rig whose wall is listened at, and whose proxy logs all it can."""
    rig = make_rig(proxy={"keeper": tmp_path / "wall.sock", "log_level": "debug"})
    rig.wall = Wall(tmp_path / "wall.sock", rig.socket)
    yield rig.start()
    rig.wall.close()


def nowhere(rig, lookalike, *secrets):
    """None of them is in a log, in the audit or in what the upstream got."""
    trail = b"".join(p.read_bytes() for p in rig.audit_folder.iterdir() if p.is_file())
    logs = (rig.proxy.log + rig.keeper.log).encode()
    sent = b"".join(r.raw_head + r.body for r in lookalike.requests)
    for secret in secrets:
        for place in (trail, logs, sent):
            assert secret.encode() not in place


def test_a_token_reaches_the_keeper_alone(walled, lookalike):
    forms = [{"Authorization": "Bearer " + TOKEN}, {"authorization": "bearer  " + TOKEN},
             {"X-Cention-Token": TOKEN}, {"x-cention-token": TOKEN, "Authorization": "Basic eDp5"}]
    for number, fields in enumerate(forms):
        answer = walled.call("POST", "/v1/org", {"name": "n"}, fields)
        assert answer.status == 200
        assert TOKEN not in repr(answer.fields) and TOKEN.encode() not in answer.body
        assert walled.wall.heard.count(TOKEN.encode()) == number + 1
    # A refusal goes on record with the same identity.
    assert walled.call("POST", "/v1/org", {"nam": 1}, forms[0]).status == 422
    assert walled.wall.heard.count(TOKEN.encode()) == len(forms) + 1
    # So does a probe, through the administrator's listener.
    walled.admin_port, walled.port = walled.port, walled.admin_port
    assert walled.call("PUT", "/probe/scheme/flatten/v1/org/1", {"name": "n"},
                       forms[0]).status == 200
    assert walled.wall.heard.count(TOKEN.encode()) == len(forms) + 2
    walled.admin_port, walled.port = walled.port, walled.admin_port
    assert walled.records("intent")[-1]["client"]["uid"] == os.geteuid()
    # No scheme's value goes to anyone.
    assert walled.call("POST", "/v1/org", {"name": "n"},
                       {"Authorization": "Basic " + TOKEN}).status == 200
    assert walled.wall.heard.count(TOKEN.encode()) == len(forms) + 2
    assert len(lookalike.accepted) == len(lookalike.requests) == len(forms) + 2
    nowhere(walled, lookalike, TOKEN, "eDp5")


BAD = [
    ("Authorization", ["Authorization: Bearer"]),
    ("Authorization", ["Authorization: Bearer qqqq zzzz"]),
    ("Authorization", ["Authorization: Bearer qqqq,zzzz"]),
    ("Authorization", ["Authorization: Bearer =qqqq"]),
    ("Authorization", ["Authorization: Bearer qqqq" + "x" * 125]),
    ("Authorization", ["Authorization: Bearer qqqq", "Authorization: Bearer qqqq"]),
    ("Authorization", ["Authorization: Basic zzzz", "Authorization: Bearer qqqq"]),
    ("X-Cention-Token", ["X-Cention-Token:"]),
    ("X-Cention-Token", ["X-Cention-Token: qqqq zzzz"]),
    ("X-Cention-Token", ["X-Cention-Token: qqqq", "X-Cention-Token: zzzz"]),
    ("X-Cention-Token", ["Authorization: Bearer qqqq", "X-Cention-Token: zzzz"]),
    ("Authorization", ["X-Cention-Token: zzzz", "Authorization: Bearer qqqq"]),
]


def test_bad_tokens(walled, lookalike):
    body = json.dumps({"name": "n"}).encode()
    for number, (field, lines) in enumerate(BAD):
        with walled.raw(head("POST", "/v1/org", body, extra=lines)) as sock:
            with sock.makefile("rb") as stream:
                answer = read_answer(stream)
                assert answer.status == 400, lines
                assert answer.json["code"] == "bad_request" and answer.json["field"] == field
                assert answer.json["outcome"] == "not-sent"
                assert b"qqqq" not in answer.body and b"zzzz" not in answer.body
        reject = walled.records("reject")[-1]
        assert len(walled.records("reject")) == number + 1
        assert reject["field"] == field and reject["client"]["uid"] == os.geteuid()
    # It is told before the body is there, and to a probe as well.
    early = (b"POST /v1/org HTTP/1.1\r\nHost: localhost\r\nX-Cention-Token: qqqq zzzz\r\n"
             b"Content-Length: 9\r\n")
    with walled.raw(early + b"Content-Type: application/json\r\n\r\n") as sock:
        with sock.makefile("rb") as stream:
            assert read_answer(stream).json["field"] == "X-Cention-Token"
    walled.port = walled.admin_port
    answer = walled.call("PUT", "/probe/scheme/flatten/v1/org/1", {"name": "n"},
                         {"Authorization": "Bearer qqqq zzzz"})
    assert answer.status == 400 and answer.json["field"] == "Authorization"
    assert not lookalike.requests and not walled.records("intent")
    nowhere(walled, lookalike, "qqqq", "zzzz")
    for secret in (b"qqqq", b"zzzz"):
        assert secret not in walled.wall.heard


@pytest.mark.skipif(not ROOT, reason="reading another process's memory needs root")
def test_a_token_does_not_stay_in_the_proxy_s_memory(rig):
    if sanitized():
        pytest.skip("the sanitizer's shadow memory is too large to search")
    connection = rig.connection()
    for size in (1, 100, 20000):  # the buffer grows, and moves
        body = {"name": "n" * size}
        assert rig.call("POST", "/v1/org", body, {"X-Cention-Token": TOKEN},
                        connection).status in (200, 422)
        assert rig.call("POST", "/v1/no", body, {"Authorization": "Bearer " + TOKEN},
                        connection).status == 404
    with rig.raw(b"".join(request(extra=["X-Cention-Token: " + TOKEN]).encode()
                          for _ in range(50))) as sock:
        with sock.makefile("rb") as stream:
            for _ in range(50):
                assert read_answer(stream).status == 200
            until(lambda: not memory_has(rig.proxy.pid, TOKEN.encode()), what="the wiping")
        # A head that isn't complete is there, of course: the search does find it.
        sock.sendall(("POST / HTTP/1.1\r\nX-Cention-Token: %s\r\n" % TOKEN).encode())
        until(lambda: memory_has(rig.proxy.pid, TOKEN.encode()), what="a token in memory")
    quiet_but(rig, connection)
    assert not memory_has(rig.proxy.pid, TOKEN.encode())


def quiet_but(rig, connection):
    connection.close()
    quiet(rig)
