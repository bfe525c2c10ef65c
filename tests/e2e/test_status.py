"""Every row of the status table that can be reached: status, code, shape, record, nothing sent."""
import json
import signal
import socket
import threading

import pytest

from rig import JSON, head, read_answer, until


def refused(rig, server, answer, status, code, outcome="not-sent", record="reject"):
    """The whole promise of a refusal; returns its record."""
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert answer.json["outcome"] == outcome and answer.json["error"]
    assert answer.field("content-type") == "application/json"
    assert server.requests == [] and server.partial == []
    number = answer.field("x-request-id")
    assert number
    if record is None:
        return None
    records = [r for r in rig.records(record) if r["id"] == number]
    assert len(records) == 1 and records[0]["status"] == status, rig.records()
    if record == "reject":
        assert records[0]["code"] == code and records[0]["error"] == answer.json["error"]
    return records[0]


@pytest.mark.parametrize("path", [
    "/", "/v1", "/v1/", "/v1/nothing", "/v2/org", "/s/televox/v1/nothing", "/s//v1/org",
    "/s/televox", "/s/televox/v1/org/", "/v1/org/0x1", "/v1/org/-1", "/v1/org/01", "/v1/org/1/2",
    "/v1/org/abc", "/v1//org", "/v1/../v1/org", "/s/../v1/org", "/v1/ORG", "/healthz",
    "/v1/org/99999999999999999999"])
def test_404_unknown_endpoint(rig, lookalike, path):
    answer = rig.call("PUT", path, {"name": "n"})
    record = refused(rig, lookalike, answer, 404, "unknown_endpoint")
    assert record["method"] == "PUT"


def test_404_without_a_default_workspace(make_rig, lookalike):
    rig = make_rig(proxy={"workspace": ""}).start()
    refused(rig, lookalike, rig.call("POST", "/v1/org", {"name": "n"}), 404, "unknown_endpoint")
    assert rig.call("POST", "/s/televox/v1/org", {"name": "n"}).status == 200


@pytest.mark.parametrize("method, path, allow", [
    ("GET", "/v1/org", "POST"), ("PUT", "/v1/org", "POST"), ("POST", "/v1/org/1", "PUT, DELETE"),
    ("GET", "/v1/tag/1", "PUT, DELETE"), ("OPTIONS", "/v1/org", "POST"),
    ("PATCH", "/v1/org/1", "PUT, DELETE"), ("post", "/v1/org", "POST")])
def test_405_with_allow(rig, lookalike, method, path, allow):
    answer = rig.call(method, path)
    assert answer.field("allow") == allow
    refused(rig, lookalike, answer, 405, "method_not_allowed")


@pytest.mark.parametrize("target", ["/v1/org?x=1", "/v1/org?", "/v1/org/%31", "/s/tele%76ox/v1/org"])
def test_400_bad_request(rig, lookalike, target):
    refused(rig, lookalike, rig.call("PUT", target, {"a": 1}), 400, "bad_request")


def test_400_two_media_types(rig, lookalike):
    data = head("POST", "/v1/org", b"{}", extra=["Content-Type: text/plain"])
    with rig.raw(data) as sock:
        refused(rig, lookalike, read_answer(sock.makefile("rb")), 400, "bad_request")


@pytest.mark.parametrize("body", [
    b"{", b"[]", b"1", b'"x"', b"null", b'{"a":1,"a":2}', b'{"a":{"b":1,"\\u0062":2}}',
    b'{"a":1}x', b'\xef\xbb\xbf{}', b'{"a":"\xff"}', b'{"a":"\\ud800"}', b'{"a":01}', b'{"a":NaN}',
    b'{"a":' + b"[" * 33 + b"]" * 33 + b"}", b"{'a':1}", b'{"a":1,}', b'{"a":"\n"}', b" "])
def test_400_bad_json(rig, lookalike, body):
    refused(rig, lookalike, rig.call("POST", "/v1/org", body), 400, "bad_json")


@pytest.mark.parametrize("method, path", [("POST", "/v1/org"), ("PUT", "/v1/org/1")])
def test_400_without_a_body(rig, lookalike, method, path):
    refused(rig, lookalike, rig.call(method, path), 400, "bad_json")


def test_403_no_key_for_the_workspace(rig, lookalike):
    answer = rig.call("POST", "/s/stranger/v1/org", {"name": "n"})
    record = refused(rig, lookalike, answer, 403, "forbidden")
    assert "stranger" in answer.json["error"] and record["workspace"] == "stranger"


@pytest.mark.parametrize("kind", [
    "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1",
    "application/jsonx", "application/json charset=utf-8", ""])
def test_415(rig, lookalike, kind):
    answer = rig.call("POST", "/v1/org", b"{}", {"Content-Type": kind})
    refused(rig, lookalike, answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON",
                                  "application/json; charset=UTF-8",
                                  "application/json;charset=\"utf-8\""])
def test_json_media_types_pass(rig, lookalike, kind):
    answer = rig.call("POST", "/v1/org", b'{"name":"n"}', {"Content-Type": kind})
    assert answer.status == 200
    assert ("Content-Type", kind) in lookalike.requests[0].fields


def test_415_content_encoding(rig, lookalike):
    answer = rig.call("POST", "/v1/org", b"{}", {**JSON, "Content-Encoding": "gzip"})
    refused(rig, lookalike, answer, 415, "unsupported_media_type")


def test_413_by_length(make_rig, lookalike):
    rig = make_rig(proxy={"limits": {"body_bytes": 100}}).start()
    assert rig.call("POST", "/v1/org", b'{"name":"%s"}' % (b"x" * 89)).status == 200
    lookalike.requests.clear()
    answer = rig.call("POST", "/v1/org", b'{"name":"%s"}' % (b"x" * 90))
    refused(rig, lookalike, answer, 413, "too_large")


def test_413_chunked(make_rig, lookalike):
    rig = make_rig(proxy={"limits": {"body_bytes": 100}}).start()
    data = head("POST", "/v1/org", extra=["Content-Type: application/json",
                                          "Transfer-Encoding: chunked"])
    with rig.raw(data + b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n") as sock:
        stream = sock.makefile("rb")
        refused(rig, lookalike, read_answer(stream), 413, "too_large")
        assert stream.read() == b""


def test_431(make_rig, lookalike):
    rig = make_rig(proxy={"limits": {"header_bytes": 1024}}).start()
    with rig.raw(head("POST", "/v1/org", extra=["X: " + "y" * 2000])) as sock:
        stream = sock.makefile("rb")
        refused(rig, lookalike, read_answer(stream), 431, "headers_too_large")
        assert stream.read() == b""


def test_408_head_and_body(make_rig, lookalike):
    rig = make_rig(proxy={"limits": {"header_timeout": 0.3, "body_timeout": 0.3}}).start()
    for data in (b"POST /v1/org HT", head("POST", "/v1/org", b'{"name":"n"}')[:-3]):
        with rig.raw(data) as sock:
            stream = sock.makefile("rb")
            refused(rig, lookalike, read_answer(stream), 408, "timeout")
            assert stream.read() == b""


def test_idle_connections_are_closed_without_a_word(make_rig):
    rig = make_rig(proxy={"limits": {"idle_timeout": 0.2}}).start()
    with rig.raw() as sock:
        assert sock.recv(100) == b""


def test_502_unreachable(make_rig, lookalike):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    rig = make_rig(url="https://localhost:%d" % port).start()
    answer = rig.call("POST", "/v1/org", {"name": "n"})
    record = refused(rig, lookalike, answer, 502, "upstream_unreachable", record="outcome")
    assert record["sent"] == "none" and record["error"].startswith("upstream_unreachable: ")


def test_502_broken(rig, lookalike):
    lookalike.order(answer=b"garbage\r\n\r\n", close=True)
    answer = rig.call("POST", "/v1/org", {"name": "n"})
    assert (answer.status, answer.json["code"]) == (502, "upstream_broken")
    assert answer.json["outcome"] == "unknown" and len(lookalike.requests) == 1
    assert rig.records("outcome")[0]["sent"] == "all"


def test_504(make_rig, lookalike):
    rig = make_rig(proxy={"upstream": {"response_timeout": 0.3}}).start()
    lookalike.order(delay=1.0)
    answer = rig.call("POST", "/v1/org", {"name": "n"})
    assert (answer.status, answer.json["code"]) == (504, "upstream_timeout")
    assert answer.json["outcome"] == "unknown"
    assert rig.records("outcome")[0]["status"] == 504


def test_503_too_many_connections(make_rig, lookalike):
    """All places are taken by requests under way; one that only waits would have to make room."""
    rig = make_rig(proxy={"limits": {"connections": 2}}).start()
    request = head("POST", "/v1/org", b'{"name":"n"}')
    lookalike.order(delay=2.0)
    lookalike.order(delay=2.0)
    with rig.raw(request) as one, rig.raw(request) as two:
        lookalike.wait_for(2)
        with rig.raw() as three:
            stream = three.makefile("rb")
            answer = read_answer(stream)
            assert (answer.status, answer.json["code"]) == (503, "overloaded"), answer.body
            assert answer.json["outcome"] == "not-sent" and stream.read() == b""
        assert [read_answer(s.makefile("rb")).status for s in (one, two)] == [200, 200]
    assert rig.records("reject")[-1]["code"] == "overloaded" and len(lookalike.requests) == 2


def test_503_the_queue(make_rig, lookalike):
    rig = make_rig(proxy={"upstream": {"max_connections": 1, "queue": 1,
                                       "queue_timeout": 0.3}}).start()
    lookalike.order(delay=1.0)
    answers = []

    def call():
        answers.append(rig.call("POST", "/v1/org", {"name": "n"}))

    first = threading.Thread(target=call)
    first.start()
    lookalike.wait_for(1)
    others = [threading.Thread(target=call) for _ in range(4)]
    for thread in others:
        thread.start()
    for thread in [first] + others:
        thread.join()
    codes = sorted(a.status for a in answers)
    assert codes == [200, 503, 503, 503, 503]
    assert {a.json["code"] for a in answers if a.status == 503} == {"overloaded"}
    assert {a.json["outcome"] for a in answers if a.status == 503} == {"not-sent"}
    assert len(lookalike.requests) == 1


def test_503_draining(rig, lookalike):
    lookalike.order(delay=0.6)
    with rig.raw(head("POST", "/v1/org", b'{"name":"n"}')) as busy, rig.raw(b"POST /v1") as begun:
        lookalike.wait_for(1)
        until(lambda: rig.metric("cention_client_connections") == 2, what="two connections")
        rig.proxy.signal(signal.SIGTERM)
        rig.proxy.wait_line("event=draining")
        begun.sendall(head("POST", "/v1/org", b'{"name":"n"}')[len(b"POST /v1"):])
        answer = read_answer(begun.makefile("rb"))
        assert (answer.status, answer.json["code"]) == (503, "draining")
        assert answer.json["outcome"] == "not-sent"
        assert read_answer(busy.makefile("rb")).status == 200
    assert len(lookalike.requests) == 1


def test_validation_off_forwards_any_path(make_rig, lookalike):
    rig = make_rig(proxy={"validation": "off"}).start()
    assert rig.call("PUT", "/v1/agent-group/1", {"agents": [1, 2, 3]}).status == 404
    assert lookalike.requests[0].problem is None


def test_admin(rig):
    assert rig.admin("/healthz").status == 200
    assert rig.admin("/readyz").body == b"ready\n"
    assert rig.admin("/nothing").status == 404
    assert rig.admin("/healthz", "POST").status == 405
    assert b"# TYPE cention_requests_total counter" in rig.admin("/metrics").body
    assert rig.call("GET", "/readyz").status == 404  # never on the API's port


def test_error_text_is_safe_json(rig):
    answer = rig.call("POST", "/v1/org", b'{"a\\"\\u0000\xc3\xa9":1,"a\\"\\u0000\xc3\xa9":2}')
    assert answer.status == 400 and json.loads(answer.body)["code"] == "bad_json"
