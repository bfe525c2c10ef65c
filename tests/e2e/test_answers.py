"""Answers are relayed as they come: every framing, with backpressure, strictly read."""
import hashlib
import time

import pytest

from rig import head, read_answer, sanitized, until

BODY = b'{"name":"n"}'
MIB = 1024 * 1024


def pattern(size):
    piece = bytes(range(256)) * 256
    return (piece * (size // len(piece) + 1))[:size]


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize("size", [0, 1, 100000, 3000000])
def test_every_framing_to_every_client(rig, lookalike, framing, version, size):
    lookalike.order(stream=size, framing=framing)
    with rig.raw(head("POST", "/v1/org", BODY).replace(b"HTTP/1.1", version)) as sock:
        stream = sock.makefile("rb")
        answer = read_answer(stream)
        assert answer.status == 200 and answer.body == pattern(size)
        if version == b"HTTP/1.0":
            assert answer.field("transfer-encoding") is None
            assert stream.read() == b""
        else:
            sock.sendall(head("DELETE", "/v1/org/9"))
            assert read_answer(stream).status == 404
    assert len(rig.records("outcome")) == (1 if version == b"HTTP/1.0" else 2)


@pytest.mark.parametrize("status", [204, 304])
def test_no_body_by_status(rig, lookalike, status):
    lookalike.order(answer=b"HTTP/1.1 %d X\r\nETag: b\r\n\r\n" % status)
    with rig.raw(head("PUT", "/v1/org/1", BODY) + head("DELETE", "/v1/org/9")) as sock:
        stream = sock.makefile("rb")
        line = stream.readline()
        assert b" %d " % status in line
        fields = []
        while fields[-1:] != [b"\r\n"]:
            fields.append(stream.readline())
        assert b"ETag: b\r\n" in fields
        assert not any(f.lower().startswith((b"content-length", b"transfer")) for f in fields)
        assert read_answer(stream).status == 404
    assert lookalike.connections == 1


def test_interim_answers_are_swallowed(rig, lookalike):
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    lookalike.order(answer=b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + good)
    answer = rig.call("POST", "/v1/org", BODY)
    assert (answer.status, answer.body) == (200, b"ok") and answer.field("a") is None


BAD = {
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "length and chunked":
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
    "obs-fold": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n",
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "status 99": b"HTTP/1.1 099 No\r\n\r\n",
    "status 600": b"HTTP/1.1 600 No\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    "1xx flood": b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
    "huge head": b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * 100000 + b"\r\n\r\n",
    "many fields": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_malformed_answers(rig, lookalike, name):
    lookalike.order(answer=BAD[name], close=True)
    answer = rig.call("POST", "/v1/org", BODY)
    assert (answer.status, answer.json["code"]) == (502, "upstream_broken"), answer.body
    assert answer.json["outcome"] == "unknown"
    assert len(lookalike.requests) == 1
    assert rig.records("outcome")[0]["sent"] == "all"
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert lookalike.connections == 2  # a connection that broke is never used again


CUT = {
    "by length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf",
    "chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0x1\r\na\r\n",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "until close, without TLS's end": b"HTTP/1.1 200 OK\r\n\r\nhalf",
}


def cut_off(rig, answer, status, code, came=b"half"):
    """Nothing of it has left yet, so the client is told, and the record says how far it came."""
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert (answer.json["outcome"], answer.json["upstream_status"]) == ("unknown", 200)
    outcome = rig.records("outcome")[-1]
    assert (outcome["status"], outcome["sent"], outcome["answer_cut"]) == (200, "all", True)
    assert outcome["error"].startswith(code + ": ") and "answer" not in outcome
    assert (outcome["answer_bytes"], outcome["answer_sha256"]) == (len(came), hashlib.sha256(came).hexdigest())


@pytest.mark.parametrize("name", sorted(CUT))
def test_a_cut_answer_is_never_passed_off_as_whole(rig, lookalike, name):
    lookalike.order(answer=CUT[name], close=True)
    cut_off(rig, rig.call("POST", "/v1/org", BODY), 502, "upstream_broken",
            b"" if name == "chunk size" else b"half")
    assert len(lookalike.requests) == 1


def test_surplus_bytes_end_the_connection(rig, lookalike):
    lookalike.order(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n")
    assert rig.call("POST", "/v1/org", BODY).body == b"ok"
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert lookalike.connections == 2


def test_http_1_0_upstream(rig, lookalike):
    lookalike.order(answer=b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", close=True)
    assert rig.call("POST", "/v1/org", BODY).body == b"ok"
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert lookalike.connections == 2


def test_an_early_answer(rig, lookalike):
    lookalike.order(early=True)
    answer = rig.call("POST", "/v1/org", {"name": "n" * 900000})
    assert answer.status in (413, 502)
    if answer.status == 413:
        assert answer.json == {"error": "too large for me"}


@pytest.mark.skipif(sanitized(), reason="the sanitizer keeps freed memory")
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_200_mib_to_a_slow_client_need_no_memory(rig, lookalike, framing):
    assert rig.call("POST", "/v1/org", BODY).status == 200
    size, want = 200 * MIB, hashlib.sha256()
    lookalike.order(stream=size, framing=framing)
    before = rig.proxy.memory()
    highest = 0
    connection = rig.connection(timeout=60)
    connection.request("POST", "/v1/org", body=BODY,
                       headers={"Content-Type": "application/json"})
    response = connection.getresponse()
    got, count = hashlib.sha256(), 0
    time.sleep(0.5)  # not reading is what this test is about
    while True:
        data = response.read(MIB)
        if not data:
            break
        got.update(data)
        count += len(data)
        if count % (20 * MIB) == 0:
            highest = max(highest, rig.proxy.memory())
            time.sleep(0.02)
    connection.close()
    for _ in range(200):
        want.update(pattern(MIB))
    assert count == size and got.digest() == want.digest()
    assert highest - before < 8 * MIB


def test_a_client_that_stops_reading_is_let_go(make_rig, lookalike):
    rig = make_rig(proxy={"limits": {"write_timeout": 0.5}}).start()
    lookalike.order(stream=50 * MIB)
    with rig.raw(head("POST", "/v1/org", BODY)):
        lookalike.wait_for(1)
        until(lambda: rig.metric("cention_client_connections") == 0, what="the end")
    assert rig.records("outcome")[0]["status"] == 200
    assert rig.call("POST", "/v1/org", BODY).status == 200


def test_a_client_that_leaves_within_an_answer(rig, lookalike):
    lookalike.order(stream=20 * MIB)
    sock = rig.raw(head("POST", "/v1/org", BODY))
    assert sock.recv(1000)
    sock.close()
    until(lambda: rig.metric("cention_running") == 0, what="the end")
    assert rig.call("POST", "/v1/org", BODY).status == 200


def test_a_slow_answer_s_time_counts_between_reads(make_rig, lookalike):
    rig = make_rig(proxy={"upstream": {"response_timeout": 0.5}}).start()
    lookalike.order(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")  # and no more
    cut_off(rig, rig.call("POST", "/v1/org", BODY), 504, "upstream_timeout")
