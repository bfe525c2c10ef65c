"""What the upstream answered is on record before the client has any of it: object, members, errors, length and
hash; of answers in every framing, cut at every byte, of any size and kind."""
import hashlib
import json
import socket
import time
import zlib

import pytest

from h2peer import CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, block, frame, reset
from rig import head, sanitized, until
from test_h2 import start  # noqa: F401 (a fixture)

BODY = b'{"name":"n"}'
KIB = 1024


def answer_of(body, framing="length", status=b"200 OK", fields=b""):
    """(bytes of an HTTP/1.1 answer, whether the connection's end ends it)"""
    start = b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\n" + fields
    if framing == "length":
        return start + b"Content-Length: %d\r\n\r\n" % len(body) + body, False
    if framing == "chunked":
        cut = len(body) // 2
        pieces = [p for p in (body[:cut], body[cut:]) if p]
        return start + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
            b"%x;a=b;c=\"d\"\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n", False
    return start + b"\r\n" + body, True


def last(rig):
    return rig.records("outcome")[-1]


def told(outcome, body):
    """The record tells of these bytes."""
    assert (outcome["answer_bytes"], outcome["answer_sha256"]) == (len(body), hashlib.sha256(body).hexdigest()), outcome


def ordered(rig, lookalike, body, framing="length", method="POST", path="/v1/org", request=BODY, **more):
    data, close = answer_of(body, framing, **more)
    lookalike.order(answer=data, close=close, polite=True)
    answer = rig.call(method, path, request)
    return answer, last(rig)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_whole(rig, lookalike, framing):
    body = json.dumps({"id": 17, "name": "n", "active": True, "working_time_data": {"Friday": {"end": "18:00"}}}).encode()
    answer, outcome = ordered(rig, lookalike, body, framing)
    assert (answer.status, answer.body) == (200, body)
    told(outcome, body)
    assert outcome["object"] == "/v1/org/17"
    assert outcome["answer"] == {"active": "true", "id": "17", "name": "n", "working_time_data": "18:00"}
    assert list(outcome["answer"]) == sorted(outcome["answer"])
    assert not {"answer_cut", "answer_more", "answer_problems", "error"} & set(outcome)


@pytest.mark.parametrize("method, path, body, reply, obj", [
    ("PUT", "/v1/org/17", BODY, b'{"id":17}', "/v1/org/17"),
    ("DELETE", "/v1/org/17", b"", b'{"id":17,"deleted":true}', "/v1/org/17"),
    ("POST", "/v1/tag", b'{"areas":[1],"tag_name":"t"}', b'{"id":37,"tag_id":22}', "/v1/tag/37"),
    ("POST", "/v1/routing/sip", b'{"areas":[1],"route_sip_id":"1"}', b'{"id":2}', "/v1/routing/sip/2"),
])
def test_objects(rig, lookalike, method, path, body, reply, obj):
    answer, outcome = ordered(rig, lookalike, reply, method=method, path=path, request=body)
    assert answer.status == 200, answer.body
    assert outcome["object"] == obj
    assert outcome["answer"].get("tag_id") == ("22" if "tag" in obj else None)


@pytest.mark.parametrize("reply, field", [
    (b'{"name":"n"}', None), (b'{"id":-1}', None), (b'{"id":"x"}', "id"), (b'{"id":1.5}', "id"), (b'{"id":[17]}', "id"),
    (b'{"id":99999999999999999999}', "id")])
def test_a_creation_that_does_not_say_what(rig, lookalike, reply, field):
    _, outcome = ordered(rig, lookalike, reply)
    assert "object" not in outcome and "answer" in outcome
    assert field is None or field in [p["field"] for p in outcome["answer_problems"]]


def test_answers_that_differ_from_the_description(rig, lookalike):
    counted = rig.metric("cention_answer_problems_total")
    _, outcome = ordered(rig, lookalike, b'{"id":18,"name":"n"}', method="PUT", path="/v1/org/17")
    assert outcome["object"] == "/v1/org/17"
    assert [(p["field"], p["code"]) for p in outcome["answer_problems"]] == [("id", "other_object")]
    assert "/v1/org/18" in outcome["answer_problems"][0]["error"]
    _, outcome = ordered(rig, lookalike, b'{"id":17,"name":7,"active":"yes"}', method="PUT", path="/v1/org/17")
    assert [p["field"] for p in outcome["answer_problems"]] == ["name", "active"]
    answer, outcome = ordered(rig, lookalike, b"[17]")
    assert answer.body == b"[17]" and outcome["answer_problems"][0]["code"] == "not_as_described"
    assert "answer" not in outcome
    assert rig.metric("cention_answer_problems_total") == counted + 3
    _, outcome = ordered(rig, lookalike, b'{"id":17,"vendor_s_own":{"x":1}}')
    assert "answer_problems" not in outcome


def test_an_error_says_why(rig, lookalike):
    answer, outcome = ordered(rig, lookalike, b'{"error":"name is taken"}', status=b"409 Conflict")
    assert answer.status == 409
    assert (outcome["status"], outcome["answer_error"], outcome["answer"]) == (
        409, "name is taken", {"error": "name is taken"})
    assert "object" not in outcome and "answer_problems" not in outcome
    _, outcome = ordered(rig, lookalike, b'{"error":"eva@example.com is taken"}', status=b"409 Conflict")
    assert "example.com" not in json.dumps(outcome)
    assert outcome["answer_error"].startswith("(withheld") and "mac" in outcome["answer"]["error"]
    _, outcome = ordered(rig, lookalike, b'{"error":{"code":7}}', status=b"500 X")
    assert "answer_error" not in outcome and outcome["answer"] == {"error": "7"}


def test_redaction(make_rig, lookalike):
    rig = make_rig()
    rig.keeper_settings["audit"]["fields"] = [
        {"field": "name", "keep": "omit"}, {"in": "answer", "field": "external_id", "keep": "mac"},
        {"in": "request", "field": "pro_active_chat", "keep": "omit"}]
    rig.write_conf()
    rig.start()
    fields = {"name": "n", "external_id": "e", "pro_active_chat": "1"}
    reply = json.dumps({"id": 1, **fields, "mail": "eva@example.com"}).encode()
    _, outcome = ordered(rig, lookalike, reply, request=json.dumps(fields).encode())
    assert outcome["answer"]["name"] == {"omitted": True}
    assert list(outcome["answer"]["external_id"]) == ["mac"] and list(outcome["answer"]["mail"]) == ["mac"]
    assert outcome["answer"]["pro_active_chat"] == "1"
    intent = rig.records("intent")[-1]["fields"]
    assert intent == {"name": {"omitted": True}, "external_id": "e", "pro_active_chat": {"omitted": True}}


# -- kinds of bodies

@pytest.mark.parametrize("body", [b"", b"hello", b"<html>", b'{"a":1,"a":2}', b'{"a":1}}', b"\xff\xfe", b"null", b'{"a":"\xff"}'])
def test_what_is_no_json_has_its_hash_only(rig, lookalike, body):
    answer, outcome = ordered(rig, lookalike, body)
    assert (answer.status, answer.body) == (200, body)
    told(outcome, body)
    assert "answer" not in outcome and "object" not in outcome
    assert [p["code"] for p in outcome["answer_problems"]] == ["not_as_described"]


def test_names_that_differ_in_case_only_are_recorded(rig, lookalike):
    _, outcome = ordered(rig, lookalike, b'{"id":1,"Name":"a","name":"b"}')
    assert outcome["answer"] == {"Name": "a", "id": "1", "name": "b"}


def test_compressed(rig, lookalike):
    """It was not asked for; it is relayed as it is, and not looked into."""
    body = zlib.compress(b'{"id":1}')
    answer, outcome = ordered(rig, lookalike, body, fields=b"Content-Encoding: deflate\r\n")
    assert answer.body == body and answer.field("content-encoding") == "deflate"
    told(outcome, body)
    assert not {"answer", "object", "answer_problems"} & set(outcome)
    rig.call("POST", "/v1/org", BODY, {"Content-Type": "application/json", "Accept-Encoding": "gzip"})
    assert b"accept-encoding" not in lookalike.requests[-1].raw_head.lower()


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_without_a_body(rig, lookalike, status):
    lookalike.order(answer=b"HTTP/1.1 " + status + b"\r\n\r\n")
    answer = rig.call("DELETE", "/v1/org/17")
    assert (answer.status, answer.body) == (int(status[:3]), b"")
    told(last(rig), b"")
    assert last(rig).get("object") == ("/v1/org/17" if status.startswith(b"204") else None)
    assert "answer_problems" not in last(rig)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("size", [64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 10 * KIB * KIB])
def test_sizes(rig, lookalike, size, framing):
    if size > KIB * KIB and sanitized() and framing != "chunked":
        pytest.skip("one framing is enough for a slow build")
    body = b'{"id":1,"name":"' + b"x" * (size - 18) + b'"}'
    assert len(body) == size
    answer, outcome = ordered(rig, lookalike, body, framing)
    assert (answer.status, answer.body == body) == (200, True)
    if size <= 64 * KIB:
        told(outcome, body)
        assert outcome["answer"]["id"] == "1" and outcome["object"] == "/v1/org/1"
    else:
        told(outcome, body[:64 * KIB])
        assert outcome["answer_more"] is True and not {"answer", "object"} & set(outcome)


def test_many_members(rig, lookalike):
    """What is larger in canonical form than may cross to the keeper has its hash only."""
    body = json.dumps({"id": 1, **{"f%d" % i: i for i in range(4000)}}).encode()
    _, outcome = ordered(rig, lookalike, body)
    assert len(outcome["answer"]) == 4001
    body = json.dumps({"id": 1, **{"f%d" % i: 1 for i in range(4096)}}).encode()
    _, outcome = ordered(rig, lookalike, body)
    told(outcome, body)
    assert "answer" not in outcome


def test_nothing_leaves_before_the_record(rig, lookalike):
    """A client that has any byte of the answer finds it on record."""
    body = b'{"id":1,"name":"' + b"x" * 200000 + b'"}'
    lookalike.order(answer=answer_of(body)[0])
    with rig.raw(head("POST", "/v1/org", BODY)) as sock:
        assert sock.recv(1)
        outcome = last(rig)
        assert outcome["answer_more"] and outcome["answer_bytes"] == 64 * KIB


# -- what breaks off

def end(sock):
    """(all that came, whether a reset ended it)"""
    data = b""
    sock.settimeout(20)
    try:
        while True:
            more = sock.recv(65536)
            if not more:
                return data, False
            data += more
    except ConnectionResetError:
        return data, True


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_cut_at_every_byte(rig, lookalike, framing):
    """Of an answer of 300 bytes: 502 until the last byte is there, and what had come is on record."""
    body = b'{"id":1,"name":"' + b"x" * 100 + b'"}'
    data = answer_of(body, framing)[0]
    at = data.index(b"\r\n\r\n") + 4
    step = 7 if sanitized() else 1
    for cut in range(0, len(data), step):
        lookalike.order(answer=data[:cut], close=True)
        answer = rig.call("POST", "/v1/org", BODY)
        assert (answer.status, answer.json["code"], answer.json["outcome"]) == (502, "upstream_broken", "unknown"), cut
        assert answer.json.get("upstream_status") == (200 if cut >= at else None), cut
        outcome = last(rig)
        if cut < at:
            assert outcome["status"] == 502 and "answer_bytes" not in outcome
            continue
        assert (outcome["status"], outcome["answer_cut"]) == (200, True), cut
        n = outcome["answer_bytes"]
        told(outcome, body[:n])
        assert n <= cut - at and (framing == "chunked" or n == cut - at)
    lookalike.order(answer=data)
    assert rig.call("POST", "/v1/org", BODY).body == body


def test_until_close_cut_at_every_byte(rig, lookalike):
    """Without close_notify it is whole when its JSON is."""
    body = b'{"id":1,"name":"' + b"x" * 30 + b'"}'
    data = answer_of(body, "close")[0]
    at = len(data) - len(body)
    for cut in range(at, len(data) + 1):
        lookalike.order(answer=data[:cut], close=True)
        answer = rig.call("POST", "/v1/org", BODY)
        outcome = last(rig)
        if cut == len(data):
            assert (answer.status, answer.body) == (200, body)
            assert outcome["object"] == "/v1/org/1" and "answer_cut" not in outcome
        else:
            assert (answer.status, answer.json["outcome"]) == (502, "unknown"), cut
            assert outcome["answer_cut"] is True
        told(outcome, data[at:cut])


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_cut_behind_64_kib(rig, lookalike, framing, version):
    """What came is relayed, and then an end that can't be taken for the answer's."""
    body = b"x" * 150000
    data = answer_of(body, framing)[0][:-30000]
    lookalike.order(answer=data, close=True)
    with rig.raw(head("POST", "/v1/org", BODY).replace(b"HTTP/1.1", version)) as sock:
        came, reset = end(sock)
    fields, _, got = came.partition(b"\r\n\r\n")
    assert b" 200 " in fields.split(b"\r\n")[0]
    assert got.count(b"x") >= 64 * KIB
    assert not got.endswith(b"0\r\n\r\n")
    assert reset or b"content-length" in fields.lower() or b"chunked" in fields.lower()
    assert last(rig)["answer_more"] is True
    until(lambda: rig.metric("cention_running") == 0, what="the end of the exchange")


def test_own_answers_have_a_date(rig):
    answer = rig.call("GET", "/v1/org")
    assert answer.status == 405
    date = time.strptime(answer.field("date"), "%a, %d %b %Y %H:%M:%S GMT")
    assert abs(time.mktime(date) - time.mktime(time.gmtime())) < 30


def test_a_client_that_went_away(rig, lookalike):
    """The answer goes on record all the same."""
    body = b'{"id":9}'
    data = answer_of(body)[0]
    lookalike.order(answer=data, delay=0.3)
    with rig.raw(head("POST", "/v1/org", BODY)) as sock:
        until(lambda: rig.records("intent"), what="the intent")
        sock.shutdown(socket.SHUT_RDWR)
    until(lambda: rig.records("outcome"), what="the outcome")
    told(last(rig), body)
    assert last(rig)["object"] == "/v1/org/9"


# -- HTTP/2

@pytest.mark.parametrize("how", ["reset", "close"])
def test_cut_at_every_byte_of_http_2(start, how):
    body = b'{"id":1,"name":"' + b"x" * 30 + b'"}'
    cut = [0]

    def handler(c, request):
        data = frame(HEADERS, END_HEADERS, request.stream, block(200, [("content-type", "application/json")]))
        if cut[0] == len(body):
            c.send(data + frame(DATA, END_STREAM, request.stream, body))
            return
        c.send(data + frame(DATA, 0, request.stream, body[:cut[0]]))
        if how == "reset":
            c.send(reset(request.stream, CANCEL))
        else:
            c.close()

    rig, _ = start(handler)
    for cut[0] in [*range(0, len(body), 1 if how == "reset" else 9), len(body)]:
        answer = rig.call("POST", "/v1/org", BODY)
        if cut[0] == len(body):
            assert (answer.status, answer.body) == (200, body)
        else:
            assert (answer.status, answer.json["outcome"], answer.json["upstream_status"]) == (502, "unknown", 200)
        told(last(rig), body[:cut[0]])
        assert last(rig).get("answer_cut") is (None if cut[0] == len(body) else True)


@pytest.mark.parametrize("size", [64 * KIB - 1, 64 * KIB, 64 * KIB + 1])
def test_sizes_of_http_2(start, size):
    body = b'{"id":1,"name":"' + b"x" * (size - 18) + b'"}'

    def handler(c, request):
        c.send(frame(HEADERS, END_HEADERS, request.stream, block(200, [("content-length", str(size))])))
        for at in range(0, size, 16000):
            last_one = at + 16000 >= size
            c.send(frame(DATA, END_STREAM if last_one else 0, request.stream, body[at:at + 16000]))

    rig, _ = start(handler)
    answer = rig.call("POST", "/v1/org", BODY)
    assert (answer.status, answer.body == body) == (200, True)
    told(last(rig), body[:64 * KIB])
    assert last(rig).get("answer_more") is (True if size > 64 * KIB else None)


@pytest.mark.skipif(sanitized(), reason="a sanitizer's memory is not the program's")
def test_memory_stays_flat(rig, lookalike):
    """50 answers of 10 MiB to clients that don't read: what waits is bounded."""
    lookalike.order(stream=1, times=1)
    rig.call("POST", "/v1/org", BODY)
    before, socks = rig.proxy.memory(), []
    lookalike.order(stream=10 * KIB * KIB, times=50)
    for _ in range(50):
        sock = rig.raw()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(head("POST", "/v1/org", BODY))
        socks.append(sock)
    until(lambda: len(rig.records("outcome")) == 51, 30, what="all outcomes")
    grown = rig.proxy.memory() - before
    for sock in socks:
        sock.close()
    print("grown by %d KiB for each" % (grown / 50 / 1024))
    assert grown < 50 * 600 * KIB
