"""Ending: what was sent is finished and recorded, the rest is told, and nothing is left behind."""
import signal
import socket
import threading

import pytest

from rig import head, read_answer, until

BODY = b'{"name":"n"}'


def test_sigterm_finishes_what_was_sent(rig, lookalike):
    lookalike.order(delay=0.5, times=5)
    answers = []
    threads = [threading.Thread(
        target=lambda: answers.append(rig.call("POST", "/v1/org", BODY))) for _ in range(5)]
    for thread in threads:
        thread.start()
    lookalike.wait_for(5)
    rig.proxy.signal(signal.SIGTERM)
    rig.proxy.wait_line("event=draining")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", rig.port), 2)
    for thread in threads:
        thread.join()
    assert [a.status for a in answers] == [200] * 5
    assert {a.field("connection") for a in answers} == {"close"}
    assert rig.proxy.process.wait(10) == 0
    assert [r["status"] for r in rig.records("outcome")] == [200] * 5


def test_idle_connections_are_closed(rig):
    with rig.raw(head("POST", "/v1/org", BODY)) as sock:
        stream = sock.makefile("rb")
        assert read_answer(stream).status == 200
        rig.proxy.signal(signal.SIGTERM)
        assert stream.read() == b""
    assert rig.proxy.process.wait(10) == 0


def test_the_next_request_is_told(rig, lookalike):
    lookalike.order(delay=0.4)
    with rig.raw(head("POST", "/v1/org", BODY) * 2) as sock:
        lookalike.wait_for(1)
        rig.proxy.signal(signal.SIGTERM)
        stream = sock.makefile("rb")
        assert read_answer(stream).status == 200
        assert stream.read() == b""  # the answer said close: the second was never taken
    assert rig.proxy.process.wait(10) == 0
    assert len(lookalike.requests) == 1


def test_a_request_that_never_ends(make_rig, lookalike):
    rig = make_rig(proxy={"limits": {"drain_timeout": 0.4}}).start()
    lookalike.order(delay=3)
    with rig.raw(head("POST", "/v1/org", BODY)) as sock:
        lookalike.wait_for(1)
        rig.proxy.signal(signal.SIGTERM)
        answer = read_answer(sock.makefile("rb"))
        assert answer.status == 503 and answer.json["code"] == "draining"
        assert answer.json["outcome"] == "unknown"
    assert rig.proxy.process.wait(10) == 0
    outcome = rig.records("outcome")[0]
    assert outcome["sent"] == "all" and "drain" in outcome["error"]


def test_a_second_signal_hurries(rig, lookalike):
    lookalike.order(delay=5)
    with rig.raw(head("POST", "/v1/org", BODY)) as sock:
        lookalike.wait_for(1)
        rig.proxy.signal(signal.SIGTERM)
        rig.proxy.wait_line("event=draining")
        rig.proxy.signal(signal.SIGTERM)
        assert read_answer(sock.makefile("rb")).json["outcome"] == "unknown"
    assert rig.proxy.process.wait(10) == 0
    assert len(rig.records("outcome")) == 1


@pytest.mark.parametrize("moment", ["idle", "head", "body", "upstream", "streaming", "unread"])
def test_ending_at_every_moment(make_rig, lookalike, moment):
    rig = make_rig(proxy={"limits": {"drain_timeout": 0.3}}).start()
    data = {"idle": b"", "head": b"POST /v1", "body": head("POST", "/v1/org", BODY)[:-1]}.get(
        moment, head("POST", "/v1/org", BODY))
    if moment == "upstream":
        lookalike.order(delay=2)
    if moment in ("streaming", "unread"):
        lookalike.order(stream=30 * 1024 * 1024)
    with rig.raw(data) as sock:
        if moment in ("upstream", "streaming", "unread"):
            lookalike.wait_for(1)
        else:
            until(lambda: rig.metric("cention_client_connections") == 1)
        if moment == "streaming":
            sock.recv(1000)
        assert rig.proxy.stop() == 0
    assert rig.keeper.stop() == 0
    intents, outcomes = rig.records("intent"), rig.records("outcome")
    assert len(intents) == len(outcomes)


def test_the_keeper_ends_first(rig, lookalike):
    lookalike.order(delay=0.5)
    with rig.raw(head("POST", "/v1/org", BODY)) as sock:
        lookalike.wait_for(1)
        assert rig.keeper.stop() == 0
        answer = read_answer(sock.makefile("rb"))
        assert answer.status == 500 and answer.json["code"] == "audit_unavailable"
    assert rig.records("outcome")[0]["sent"] == "unknown"
    assert rig.events()[-1]["type"] == "stop"
    assert rig.proxy.stop() == 0
