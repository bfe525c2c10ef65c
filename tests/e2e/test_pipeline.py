"""Connections: pipelining in order, keep-alive, 100-continue, chunked bodies, odd clients."""
import json
import socket
import time

import pytest

from rig import JSON, head, read_answer, until

BODY = b'{"name":"n"}'


def test_fifty_in_one_write_are_answered_in_order(rig, lookalike):
    data = b"".join(head("POST", "/v1/org", b'{"name":"number %d"}' % i) for i in range(50))
    with rig.raw(data) as sock:
        stream = sock.makefile("rb")
        answers = [read_answer(stream) for _ in range(50)]
    assert [a.json["name"] for a in answers] == ["number %d" % i for i in range(50)]
    assert [json.loads(r.body)["name"] for r in lookalike.accepted] == [
        "number %d" % i for i in range(50)]


def test_good_and_bad_in_one_write(rig, lookalike):
    data = (head("POST", "/v1/org", BODY) + head("GET", "/v1/org") +
            head("POST", "/v1/org", b'{"a":1,"a":2}') + head("DELETE", "/v1/org/1") +
            b"bad\r\n\r\n" + head("POST", "/v1/org", BODY))
    with rig.raw(data) as sock:
        stream = sock.makefile("rb")
        assert [read_answer(stream).status for _ in range(5)] == [200, 405, 400, 200, 400]
        assert stream.read() == b""  # nothing after a malformed request
    assert len(lookalike.requests) == 2


def test_a_thousand_on_one_connection(rig, lookalike):
    connection = rig.connection()
    for _ in range(1000):
        assert rig.call("POST", "/v1/org", BODY, connection=connection).status == 200
    connection.close()
    assert lookalike.connections == 1 and len(lookalike.accepted) == 1000
    assert len(rig.records("intent")) == len(rig.records("outcome")) == 1000


def test_byte_by_byte(rig, lookalike):
    with rig.raw() as sock:
        for byte in head("POST", "/v1/org", BODY) + head("DELETE", "/v1/org/1"):
            sock.sendall(bytes([byte]))
        stream = sock.makefile("rb")
        assert read_answer(stream).status == 200
        assert read_answer(stream).status == 200
    assert lookalike.requests[0].body == BODY


def test_100_continue(rig, lookalike):
    data = head("POST", "/v1/org", BODY, extra=["Expect: 100-continue"])
    with rig.raw(data[:-len(BODY)]) as sock:
        stream = sock.makefile("rb")
        assert read_answer(stream).status == 100
        sock.sendall(BODY)
        assert read_answer(stream).status == 200
    assert len(lookalike.accepted) == 1
    assert "expect" not in [k.lower() for k, _ in lookalike.requests[0].fields]


def test_no_100_for_what_is_refused_anyway(make_rig, lookalike):
    rig = make_rig(proxy={"limits": {"body_bytes": 10}}).start()
    for path, status in (("/v1/org", 413), ("/v1/nothing", 404)):
        data = head("POST", path, BODY if status == 413 else b"{}",
                    extra=["Expect: 100-continue"])
        with rig.raw(data[:data.index(b"\r\n\r\n") + 4]) as sock:
            stream = sock.makefile("rb")
            assert read_answer(stream).status == status
            assert stream.read() == b""


@pytest.mark.parametrize("step", [1, 7, 10000])
def test_chunked_requests(rig, lookalike, step):
    body = json.dumps({"name": "n" * 3000}).encode()
    chunks = b"".join(b"%X\r\n%s\r\n" % (len(body[i:i + 100]), body[i:i + 100])
                      for i in range(0, len(body), 100))
    data = head("POST", "/v1/org", extra=["Content-Type: application/json",
                                          "Transfer-Encoding: chunked"])
    data += chunks + b"0\r\nX-Trailer: dropped\r\n\r\n" + head("DELETE", "/v1/org/1")
    with rig.raw() as sock:
        for i in range(0, len(data), step):
            sock.sendall(data[i:i + step])
        stream = sock.makefile("rb")
        assert read_answer(stream).status == 200
        assert read_answer(stream).json == {"id": 1, "deleted": True}
    request = lookalike.accepted[0]
    assert request.body == body
    names = dict((k.lower(), v) for k, v in request.fields)
    assert names["content-length"] == str(len(body))
    assert "transfer-encoding" not in names and "x-trailer" not in names


def test_http_1_0(rig, lookalike):
    data = head("POST", "/v1/org", BODY).replace(b"HTTP/1.1", b"HTTP/1.0")
    with rig.raw(data) as sock:
        stream = sock.makefile("rb")
        answer = read_answer(stream)
        assert answer.status == 200 and answer.field("connection") == "close"
        assert stream.read() == b""
    data = data.replace(b"Host", b"Connection: keep-alive\r\nHost")
    with rig.raw(data) as sock:
        stream = sock.makefile("rb")
        answer = read_answer(stream)
        assert answer.status == 200 and answer.field("connection") == "keep-alive"
        sock.sendall(data)
        assert read_answer(stream).status == 200


def test_connection_close(rig):
    data = head("POST", "/v1/org", BODY, extra=["Connection: close"])
    with rig.raw(data) as sock:
        stream = sock.makefile("rb")
        answer = read_answer(stream)
        assert answer.status == 200 and answer.field("connection") == "close"
        assert stream.read() == b""


def test_half_close(rig, lookalike):
    with rig.raw(head("POST", "/v1/org", BODY) + head("DELETE", "/v1/org/1")) as sock:
        sock.shutdown(socket.SHUT_WR)
        stream = sock.makefile("rb")
        assert read_answer(stream).status == 200
        assert read_answer(stream).status == 200
        assert stream.read() == b""


def test_a_client_that_leaves_half_a_request(rig, lookalike):
    for data in (b"POST /v1", head("POST", "/v1/org", BODY)[:-1]):
        rig.raw(data).close()
    until(lambda: rig.metric("cention_client_connections") == 0)
    assert lookalike.requests == [] and rig.records("intent") == []


def test_head_gets_no_body(rig):
    with rig.raw(head("HEAD", "/v1/org") + head("GET", "/v1/org")) as sock:
        stream = sock.makefile("rb")
        line = stream.readline()
        assert b" 405 " in line
        while stream.readline() != b"\r\n":
            pass
        assert read_answer(stream).status == 405  # the next answer follows at once


def test_a_body_of_the_largest_size(rig, lookalike):
    body = json.dumps({"name": "x" * (1048576 - 12)}).encode()
    assert len(body) == 1048576
    assert rig.call("POST", "/v1/org", body).status == 200
    assert lookalike.accepted[0].body == body


def test_many_fields_and_deep_ones(lax_rig, lookalike):
    body = json.dumps({"field%04d" % i: [i, {"a": [i]}] for i in range(4000)}).encode()
    assert lax_rig.call("PUT", "/v1/org/1", body).status == 404
    deep = b'{"a":' + b"[" * 30 + b'"x"' + b"]" * 30 + b"}"
    assert lax_rig.call("PUT", "/v1/org/1", deep).status == 404
    assert len(lookalike.accepted) == 2


def test_slow_clients_do_not_hold_up_others(make_rig, lookalike):
    rig = make_rig(proxy={"limits": {"header_timeout": 5.0}}).start()
    slow = [rig.raw(head("POST", "/v1/org", BODY)[:20 + i]) for i in range(100)]
    began = time.monotonic()
    for _ in range(20):
        assert rig.call("POST", "/v1/org", BODY, JSON).status == 200
    assert time.monotonic() - began < 3
    for sock in slow:
        sock.close()
