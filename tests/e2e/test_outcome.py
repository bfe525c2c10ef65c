"""A change is sent at most once, and the client's `outcome` says what is known.

The look-alike ends the connection at each moment of a request's life, on a fresh connection and
on a pooled one.
"""
import random
import threading

import pytest

from rig import until

BODY = {"name": "n" * 200}
METHODS = [("POST", "/v1/org"), ("PUT", "/v1/org/1"), ("DELETE", "/v1/org/1")]


def seen(server):
    """How many requests of the test the look-alike saw any byte of."""
    return len(server.requests) + len(server.partial)


def call(rig, method, path):
    return rig.call(method, path, None if method == "DELETE" else BODY)


def broken(rig, server, answer, before=0):
    assert (answer.status, answer.json["code"]) == (502, "upstream_broken"), answer.body
    assert answer.json["outcome"] == "unknown"
    assert seen(server) - before == 1
    outcome = rig.records("outcome")[-1]
    assert outcome["id"] == answer.field("x-request-id") and outcome["status"] == 502
    assert outcome["sent"] in ("partial", "all")
    return outcome


@pytest.mark.parametrize("pooled", [False, True], ids=["fresh", "pooled"])
@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("method, path", METHODS)
def test_closed_after_the_request(rig, lookalike, method, path, reset, pooled):
    if pooled:
        assert rig.call("POST", "/v1/org", BODY).status == 200
    before = seen(lookalike)
    lookalike.order(at="request", reset=reset)
    outcome = broken(rig, lookalike, call(rig, method, path), before)
    assert outcome["sent"] == "all"
    assert lookalike.connections == 1


@pytest.mark.parametrize("pooled", [False, True], ids=["fresh", "pooled"])
@pytest.mark.parametrize("after", [1, 20, 100, 300])
@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_closed_within_the_request(rig, lookalike, after, reset, pooled):
    if pooled:
        assert rig.call("POST", "/v1/org", BODY).status == 200
    before = seen(lookalike)
    lookalike.order(at="head", after=after, reset=reset)
    broken(rig, lookalike, call(rig, "POST", "/v1/org"), before)


@pytest.mark.parametrize("after", [1, 10, 60, 90])
def test_closed_within_the_answer_s_head(rig, lookalike, after):
    lookalike.order(at="answer", after=after)
    broken(rig, lookalike, call(rig, "POST", "/v1/org"))


def test_closed_within_a_large_request(rig, lookalike):
    lookalike.order(at="head", after=1000, reset=True)
    answer = rig.call("POST", "/v1/org", {"name": "n" * 1000000})
    broken(rig, lookalike, answer)


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_closed_before_anything_was_read(rig, lookalike, reset):
    """Before TLS there can be no byte of the request: nothing was sent, and it is said so."""
    lookalike.order(at="accept", reset=reset)
    answer = call(rig, "POST", "/v1/org")
    assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
    assert answer.json["outcome"] == "not-sent" and seen(lookalike) == 0
    assert rig.records("outcome")[0]["sent"] == "none"


def test_an_idle_connection_that_closed_is_not_used(rig, lookalike):
    lookalike.order(close_idle=True, times=3)
    for number in range(1, 4):
        assert call(rig, "POST", "/v1/org").status == 200
        until(lambda: rig.metric("cention_upstream_open") == 0, what="the close was seen")
        assert lookalike.connections == number
    assert len(lookalike.accepted) == 3


def test_closed_between_two_requests_that_race(rig, lookalike):
    """The look-alike answers and closes at once; the next request follows without a pause."""
    lookalike.order(close_idle=True, times=40)
    connection = rig.connection()
    results = []
    for number in range(40):
        before = seen(lookalike)
        answer = rig.call("POST", "/v1/org", BODY, connection=connection,
                          headers={"X-Request-Id": "race-%d" % number})
        results.append(answer.status)
        assert seen(lookalike) - before <= 1
        if answer.status != 200:
            assert answer.json["outcome"] == ("unknown" if seen(lookalike) > before
                                              else answer.json["outcome"])
    connection.close()
    assert results.count(200) >= 30, results


def test_connections_that_die_at_random(rig, lookalike):
    """Many clients while the upstream closes all its connections again and again."""
    stop = threading.Event()
    answers, lock = {}, threading.Lock()

    def disturb():
        while not stop.wait(random.uniform(0.001, 0.02)):
            lookalike.close_all()

    def client(number):
        connection = rig.connection()
        for turn in range(40):
            name = "c%d-%d" % (number, turn)
            answer = rig.call("POST", "/v1/org", BODY, connection=connection,
                              headers={"X-Request-Id": name})
            with lock:
                answers[name] = answer
        connection.close()

    disturber = threading.Thread(target=disturb)
    clients = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    disturber.start()
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    stop.set()
    disturber.join()

    times = {}
    for request in lookalike.requests:
        name = dict(request.fields)["X-Request-Id"]
        times[name] = times.get(name, 0) + 1
    assert max(times.values()) == 1, "a change was sent twice"
    assert len(answers) == 320
    intents = {r["id"] for r in rig.records("intent")}
    outcomes = {r["id"]: r for r in rig.records("outcome")}
    for name, answer in answers.items():
        assert name in intents and name in outcomes
        assert outcomes[name]["status"] == answer.status
        if answer.status == 200:
            assert times[name] == 1
        else:
            assert answer.status == 502, answer.body
            if answer.json["outcome"] == "not-sent":
                assert name not in times and outcomes[name]["sent"] == "none"
    assert len(rig.records("outcome")) == 320


def test_a_client_that_goes_away_changes_nothing_for_the_record(rig, lookalike):
    lookalike.order(delay=0.3)
    from rig import head
    sock = rig.raw(head("POST", "/v1/org", b'{"name":"n"}'))
    lookalike.wait_for(1)
    sock.close()
    until(lambda: rig.records("outcome"), what="the outcome")
    record = rig.records("outcome")[0]
    assert record["status"] == 200 and record["sent"] == "all"


def test_connect_timeout(make_rig, lookalike):
    """A server that takes connections and never shakes hands."""
    import socket
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "https://localhost:%d" % silent.getsockname()[1]
        rig = make_rig(url=url, proxy={"upstream": {"connect_timeout": 0.4}}).start()
        answer = call(rig, "POST", "/v1/org")
        assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
        assert answer.json["outcome"] == "not-sent"
