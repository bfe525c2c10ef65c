"""Several event loops in one proxy: nothing is lost, doubled or mixed up, and they end as one."""
import json
import mmap
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import threading
import time

import pytest

import test_calls
from manager import Manager, activated
from rig import BUILD, Daemon, head, program, read_answer, sanitized, until

BODY = {"name": "n"}
RAW = b'{"name":"n"}'


@pytest.fixture(params=[2, 4])
def crew(make_rig, request):
    return make_rig(proxy={"workers": request.param}).start()


def many(rig, clients, calls, check=None):
    """Each client makes its calls on one connection; all answers."""
    answers, lock = [], threading.Lock()

    def run(number):
        connection = rig.connection()
        mine = [rig.call("POST", "/v1/org", {"name": "n"},
                         {"X-Request-Id": "c%d-%d" % (number, i)}, connection)
                for i in range(calls)]
        connection.close()
        with lock:
            answers.extend(mine)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def accepted(rig):
    """Connections by worker."""
    text = rig.admin("/metrics").body.decode()
    found = re.findall(r'^cention_worker_connections_total\{worker="(\d+)"\} (\d+)$', text, re.M)
    assert [int(n) for n, _ in found] == list(range(rig.proxy_settings.get("workers", 1)))
    return [int(count) for _, count in found]


def tasks(daemon):
    """The status of each of its threads."""
    out = []
    for task in pathlib.Path("/proc/%d/task" % daemon.pid).iterdir():
        lines = (task / "status").read_text().splitlines()
        out.append(dict(line.split(":\t", 1) for line in lines if ":\t" in line))
    return out


def reload(rig, wanted):
    skip = len(rig.proxy.lines)
    rig.proxy.signal(signal.SIGHUP)
    return rig.proxy.wait_line("event=(%s.*)" % wanted, skip=skip).group(1)


@pytest.mark.parametrize("resource", sorted(test_calls.BODIES))
def test_every_call(crew, lookalike, resource):
    """Each on a new connection: some worker or other takes it."""
    body = json.dumps(test_calls.BODIES[resource]).encode()
    path = "/s/televox/v1/" + resource
    for number in range(1, 4):
        one = "%s/%d" % (path, number)
        for method, target, sent in (("POST", path, body), ("PUT", one, body), ("DELETE", one, None)):
            assert crew.call(method, target, sent).status == 200
            test_calls.seen_once(lookalike, method, target, sent or b"")


def test_one_worker_has_one_thread(rig):
    rig.call("POST", "/v1/org", BODY)
    if rig.proxy_settings.get("workers", 1) == 1 and not sanitized():
        assert len(tasks(rig.proxy)) == 1
    assert sum(accepted(rig)) == 1


def test_many_clients(crew):
    answers = many(crew, 64, 5)
    assert [a.status for a in answers] == [200] * 320
    counts = accepted(crew)
    assert sum(counts) == 64 and min(counts) > 0, counts
    intents, outcomes = crew.records("intent"), crew.records("outcome")  # seq has no gap
    wanted = sorted("c%d-%d" % (c, i) for c in range(64) for i in range(5))
    assert sorted(r["id"] for r in intents) == sorted(r["id"] for r in outcomes) == wanted
    assert sorted(a.field("x-request-id") for a in answers) == wanted
    assert crew.metric("cention_requests_total") == 320
    assert crew.metric('cention_answers_total{class="2xx"}') == 320
    assert crew.metric("cention_audit_records_total") <= len(crew.records())
    until(lambda: crew.metric("cention_client_connections") == 0)
    assert crew.proxy.stop() == 0
    crew.proxy.wait_line("event=stopped requests=320 answers_2xx=320 refusals=0")


def test_connections_spread(crew):
    """Kept open one after the other, so that whoever wakes up first could have them all."""
    workers = crew.proxy_settings["workers"]
    socks = [crew.raw() for _ in range(8 * workers)]
    until(lambda: sum(accepted(crew)) == 8 * workers)
    assert min(accepted(crew)) >= 4 and max(accepted(crew)) <= 12, accepted(crew)
    for sock in socks:
        sock.close()


def test_as_many_as_may_be(make_rig):
    rig = make_rig(proxy={"workers": 64}).start()
    assert rig.metric("cention_keeper_connects_total") == 64
    assert [a.status for a in many(rig, 32, 1)] == [200] * 32
    assert sum(n > 0 for n in accepted(rig)) > 8


def test_ids_are_unique(crew):
    ids = set()
    for _ in range(32):
        ids.add(crew.call("POST", "/v1/org", BODY).field("x-request-id"))
    assert len(ids) == 32
    starts = {i.split("-")[0] for i in ids}
    assert len(starts) == sum(n > 0 for n in accepted(crew))  # each worker's own


def test_unix_and_pipelining(crew):
    with crew.raw(head("POST", "/v1/org", RAW) * 20) as sock:
        stream = sock.makefile("rb")
        assert [read_answer(stream).status for _ in range(20)] == [200] * 20
    for _ in range(16):
        assert crew.call("POST", "/v1/org", BODY, connection=crew.unix()).status == 200
    uids = {r["client"].get("uid") for r in crew.records("intent")}
    assert uids == {os.getuid()}  # every worker asks the kernel who is there


def test_ready_when_all_links_are(crew):
    workers = crew.proxy_settings["workers"]
    assert crew.metric("cention_keeper_connects_total") == workers
    assert crew.keeper.stop() == 0
    crew.wait_ready(False)
    assert crew.call("POST", "/v1/org", BODY).status == 503
    assert crew.metric("cention_keeper_connected") == 0
    crew.start_keeper()
    crew.wait_ready()
    assert [a.status for a in many(crew, 16, 2)] == [200] * 32
    assert crew.metric("cention_keeper_connects_total") == 2 * workers


def test_drain(crew, lookalike):
    lookalike.order(delay=2.5, times=24)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(
        crew.call("POST", "/v1/org", BODY).status)) for _ in range(24)]
    for thread in threads:
        thread.start()
    lookalike.wait_for(24)
    idle = crew.raw()
    until(lambda: crew.metric("cention_client_connections") == 25)
    assert min(accepted(crew)) > 0
    crew.proxy.signal(signal.SIGTERM)
    assert crew.proxy.wait_line(r"event=draining signal=15 running=(\d+)").group(1) == "24"
    with pytest.raises(OSError):  # nobody listens any more
        socket.create_connection(("127.0.0.1", crew.port), 2)
    assert idle.recv(1) == b""
    for thread in threads:
        thread.join()
    assert answers == [200] * 24
    assert crew.proxy.process.wait(10) == 0
    crew.proxy.wait_line("event=stopped requests=24 answers_2xx=24 refusals=0")
    assert [r["status"] for r in crew.records("outcome")] == [200] * 24
    assert not crew.http_socket.exists()


@pytest.mark.parametrize("hurry", [False, True])
def test_what_never_ends(make_rig, lookalike, hurry):
    rig = make_rig(proxy={"workers": 4,
                          "limits": {"drain_timeout": 30.0 if hurry else 0.4}}).start()
    lookalike.order(delay=8, times=16)
    socks = [rig.raw(head("POST", "/v1/org", RAW)) for _ in range(16)]
    lookalike.wait_for(16)
    began = time.monotonic()
    rig.proxy.signal(signal.SIGTERM)
    rig.proxy.wait_line("event=draining")
    if hurry:
        rig.proxy.signal(signal.SIGTERM)
    for sock in socks:
        answer = read_answer(sock.makefile("rb"))
        assert answer.status == 503 and answer.json["outcome"] == "unknown"
        sock.close()
    assert rig.proxy.process.wait(10) == 0
    assert time.monotonic() - began < 7
    assert [r["sent"] for r in rig.records("outcome")] == ["all"] * 16


def test_reload(crew):
    """All workers have the new settings when the log says so, and all keep the old ones else."""
    def codes():
        return {crew.call("POST", "/v1/org", {"nome": "n"}).status for _ in range(16)}

    assert codes() == {422}
    crew.merge({"validation": "off"})
    crew.write_conf()
    reload(crew, "reloaded")
    assert codes() == {400}  # the upstream's own
    crew.merge({"validation": "enforce", "workspace": "not good"})
    crew.write_conf()
    assert "workspace" in reload(crew, "reload_refused")
    assert codes() == {400}
    crew.merge({"workspace": "televox", "workers": 1})
    crew.write_conf()
    reload(crew, "reload_partial why=\"a changed number of workers")
    crew.proxy.wait_line("event=reloaded", skip=len(crew.proxy.lines) - 1)
    assert codes() == {422}
    crew.merge({"workers": crew.proxy_settings["workers"]})
    for _ in range(20):  # one while another is under way
        crew.proxy.signal(signal.SIGHUP)
    assert codes() == {422}


def test_a_reload_under_load(make_rig):
    rig = make_rig(proxy={"workers": 2}).start()
    results = []
    thread = threading.Thread(target=lambda: results.extend(many(rig, 16, 20)))
    thread.start()
    for _ in range(10):
        reload(rig, "reloaded")
    thread.join()
    assert [a.status for a in results] == [200] * 320
    assert len(rig.records("outcome")) == 320


def test_too_few_connections_for_all(make_rig):
    """Also at a reload: then all keep what they have."""
    rig = make_rig(proxy={"workers": 4, "upstream": {"max_connections": 3}})
    daemon = Daemon(program("cention-proxyd"), "-t", "-c", str(rig.proxy_conf))
    rig.daemons.append(daemon)
    assert daemon.process.wait(10) == 78
    daemon._reader.join(5)
    assert "workers" in daemon.log and "max_connections" in daemon.log
    rig.merge({"upstream": {"max_connections": 4}})
    rig.write_conf()
    rig.start()
    assert [a.status for a in many(rig, 16, 2)] == [200] * 32
    assert rig.metric("cention_upstream_open") <= 4
    rig.merge({"workers": 1, "upstream": {"max_connections": 3}})
    rig.write_conf()
    assert "max_connections" in reload(rig, "reload_refused")


def test_connections_are_shared_out(make_rig):
    """Idle ones make room in every worker: nobody is locked out, and there are never too many."""
    rig = make_rig(proxy={"workers": 4, "limits": {"connections": 10}}).start()
    socks = [rig.raw(b"GET /") for _ in range(40)]
    until(lambda: sum(accepted(rig)) == 40)
    until(lambda: rig.metric("cention_client_connections") <= 10)
    for _ in range(30):
        assert rig.call("POST", "/v1/org", BODY).status == 200
    until(lambda: rig.metric("cention_client_connections") <= 10)
    assert rig.metric("cention_client_displaced_total") >= 30
    for sock in socks:
        sock.close()
    until(lambda: rig.metric("cention_client_connections") == 0)
    assert min(accepted(rig)) > 2  # of 70; a busy machine may hold a worker up


@pytest.mark.skipif(sanitized(), reason="a build with sanitizers has no sandbox")
def test_every_thread_is_confined(crew):
    until(lambda: len(tasks(crew.proxy)) == crew.proxy_settings["workers"])
    for task in tasks(crew.proxy):
        assert task["Seccomp"] == "2" and task["NoNewPrivs"] == "1", task
    names = {task["Name"] for task in tasks(crew.proxy)}
    assert "worker-1" in names
    # Only the first takes signals, as far as they can be left to others.
    taken = [t["Name"] for t in tasks(crew.proxy)
             if not int(t["SigBlk"], 16) >> (signal.SIGTERM - 1) & 1]
    assert len(taken) == 1 and not taken[0].startswith("worker-")


@pytest.mark.skipif(sanitized() or not shutil.which("strace"), reason="needs strace, no sanitizer")
def test_nobody_is_let_in_before(make_rig, tmp_path):
    """Files are confined before there are threads; no byte is read before all are confined."""
    rig = make_rig(proxy={"workers": 4})
    trace = tmp_path / "trace"
    rig.start_keeper()
    rig.start_proxy("strace", "-f", "-qq", "-e",
                    "trace=seccomp,accept4,clone,clone3,landlock_restrict_self",
                    "-o", str(trace))
    rig.wait_ready()
    assert [a.status for a in many(rig, 16, 2)] == [200] * 32
    rig.stop()
    lines = trace.read_text().splitlines()
    filters = [n for n, x in enumerate(lines) if re.search(r"SET_MODE_FILTER.*TSYNC.*\{.*= 0", x)]
    clones = [n for n, x in enumerate(lines) if re.search(r"clone3?\(", x)]
    fence = [n for n, x in enumerate(lines) if "landlock_restrict_self(" in x]
    accepts = [n for n, x in enumerate(lines) if "accept4(" in x]
    assert len(filters) == 1 and len(clones) == 3
    assert all(n < clones[0] for n in fence)
    assert clones[-1] < filters[0] < accepts[0]


def test_socket_activation(make_rig, tmp_path):
    rig = make_rig(proxy={"workers": 2, "listen": [{"address": "127.0.0.1", "port": 1}]})
    rig.start_keeper()
    manager = Manager(tmp_path)
    rig.proxy = Daemon(*activated("0,%s" % rig.http_socket, "api:api", program("cention-proxyd"),
                                  "-c", str(rig.proxy_conf)), env=manager.environment())
    rig.daemons.append(rig.proxy)
    manager.wait(READY="1")
    rig.learn_ports(rig.proxy)
    rig.wait_ready()
    assert [a.status for a in many(rig, 32, 1)] == [200] * 32
    assert rig.call("POST", "/v1/org", BODY, connection=rig.unix()).status == 200
    assert min(accepted(rig)) > 0
    begun = manager.count()
    rig.proxy.signal(signal.SIGHUP)
    manager.wait(RELOADING="1", skip=begun)
    manager.wait(READY="1", skip=begun)
    assert rig.proxy.stop() == 0
    assert rig.http_socket.exists()  # the manager's


def test_as_the_keeper_s_command(make_rig):
    rig = make_rig(proxy={"workers": 2})
    rig.start_keeper("--", program("cention-proxyd"), "-c", str(rig.proxy_conf))
    rig.learn_ports(rig.keeper)
    rig.wait_ready()
    assert [a.status for a in many(rig, 16, 2)] == [200] * 32
    assert rig.keeper.stop() == 0
    rig.keeper.wait_line("event=stopped requests=32")


# ---- a worker that hangs

PERIOD = 0.8  # seconds of the watchdog


class Hang:
    """Tells tests/e2e/preload/hang.c what to do."""

    def __init__(self, folder):
        self.file = folder / "hang"
        self.file.write_bytes(bytes(8))
        with open(self.file, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)
        library = BUILD / "tests" / "e2e" / "preload" / "hang.so"
        self.environment = {"CENTION_PRELOAD_HANG": str(self.file), "LD_PRELOAD": str(library)}

    def hang(self, which):
        self._map[:4] = struct.pack("=I", which)
        until(lambda: bool(self._map[4]) == bool(which), what="a thread that hangs")


@pytest.fixture
def hanging(make_rig, tmp_path):
    """hanging(watchdog): three workers, their manager, and what makes the third hang."""
    if sanitized():
        pytest.skip("a preloaded library has to come after a sanitizer's")
    rig = make_rig(proxy={"workers": 3, "limits": {"drain_timeout": 0.2}})
    manager, hang = Manager(tmp_path, PERIOD), Hang(tmp_path)
    rig.proxy_env = manager.environment(**hang.environment)
    rig.start()
    manager.wait(READY="1")
    return rig, manager, hang


def test_a_worker_that_hangs_is_told(hanging):
    rig, _, hang = hanging
    assert rig.admin("/healthz").body == b"alive\n"
    hang.hang(2)
    answer = rig.admin("/healthz")
    assert answer.status == 503 and b"hangs" in answer.body
    answer = rig.admin("/readyz")
    assert answer.status == 503 and answer.body.startswith(b"worker_hung")
    began = time.monotonic()
    assert sum(accepted(rig)) == 0  # what is known is told, and at once from now on
    assert time.monotonic() - began < 0.5
    assert rig.proxy.log.count("event=worker_hung") == 1
    hang.hang(0)
    rig.proxy.wait_line("event=worker_back")
    assert rig.admin("/healthz").status == 200
    rig.wait_ready()


def test_a_worker_that_hangs_starves_the_watchdog(hanging):
    _, manager, hang = hanging
    until(lambda: len(manager.alive()) >= 4, what="four words")
    hang.hang(1)
    time.sleep(PERIOD)  # a word for what was asked before
    hung = manager.count()
    time.sleep(3 * PERIOD)  # that nothing comes has no event
    assert manager.alive(hung) == []
    hang.hang(0)
    manager.wait(WATCHDOG="1", skip=hung)


def test_a_worker_that_hangs_does_not_keep_the_end(hanging):
    rig, _, hang = hanging
    hang.hang(1)
    rig.proxy.signal(signal.SIGTERM)
    assert rig.proxy.process.wait(15) == 1
    rig.proxy._reader.join(5)
    assert "event=worker_hung" in rig.proxy.log
