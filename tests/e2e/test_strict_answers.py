"""The upstream's answers are read as strictly as clients' requests: whatever two readers could see
apart is 502 `upstream_broken`, and its connection is never used again. See test_answers.py, too."""
import socket
import ssl
import threading

import pytest

from lookalike import LookAlike
from rig import KEYS, Rig, until

BODY = b'{"name":"n"}'
OK = b"HTTP/1.1 200 OK\r\n"
END = b"Content-Length: 2\r\n\r\nok"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

BROKEN = {
    "CL twice, the same": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "CL twice, different": OK + b"Content-Length: 2\r\ncontent-length: 3\r\n\r\nok",
    "CL list": OK + b"Content-Length: 2, 2\r\n\r\nok",
    "CL negative": OK + b"Content-Length: -2\r\n\r\nok",
    "CL hex": OK + b"Content-Length: 0x2\r\n\r\nok",
    "CL empty": OK + b"Content-Length:\r\n\r\nok",
    "CL of 20 digits": OK + b"Content-Length: 00000000000000000002\r\n\r\nok",
    "CL with a space": OK + b"Content-Length: 1 2\r\n\r\nok",
    "CL before TE": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE before CL": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "TE twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE list": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "TE identity": OK + b"Transfer-Encoding: identity\r\n\r\nok",
    "TE xchunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE empty": OK + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "TE of HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n",
    "TE and CL of a 204": b"HTTP/1.1 204 No\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "bare LF after the status": b"HTTP/1.1 200 OK\n" + END,
    "bare LF after a field": OK + b"A: b\n" + END,
    "bare LF at the end": OK + b"Content-Length: 2\r\n\nok",
    "bare CR in a field": OK + b"A: b\rC: d\r\n" + END,
    "CR CR LF": OK + b"A: b\r\r\n" + END,
    "fold": OK + b"A: b\r\n\tc\r\n" + END,
    "field before the first": b"HTTP/1.1 200 OK\r\n A: b\r\n" + END,
    "space before the colon": OK + b"Content-Length : 2\r\n\r\nok",
    "no colon": OK + b"nothing\r\n" + END,
    "empty name": OK + b": b\r\n" + END,
    "NUL in a name": OK + b"A\0: b\r\n" + END,
    "control in a value": OK + b"A: \x1b[2J\r\n" + END,
    "control in the reason": b"HTTP/1.1 200 \x07\r\n" + END,
    "empty line first": b"\r\n" + OK + END,
    "no digits": b"HTTP/1.1 2x0 OK\r\n" + END,
    "four digits": b"HTTP/1.1 2000 OK\r\n" + END,
    "version 1.2": b"HTTP/1.2 200 OK\r\n" + END,
    "version 11": b"HTTP/11 200 OK\r\n" + END,
    "lower case": b"http/1.1 200 OK\r\n" + END,
    "a request": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "head of 70 KiB in one field": OK + b"A: " + b"x" * 70000 + b"\r\n" + END,
    "head of 70 KiB in many": OK + b"".join(b"A%d: %s\r\n" % (i, b"x" * 1000) for i in range(70)) +
                              END,
    "endless reason": b"HTTP/1.1 200 " + b"x" * 200000,
    "101 fields": OK + b"A: b\r\n" * 100 + END,
    "nine 1xx": b"HTTP/1.1 103 Hints\r\n\r\n" * 9 + OK + END,
    "a thousand 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + OK + END,
    "1xx with fields without end": (b"HTTP/1.1 103 H\r\n" + b"A: b\r\n" * 90 + b"\r\n") * 9,
    "broken 1xx": b"HTTP/1.1 100 Continue\r\nA : b\r\n\r\n" + OK + END,
    "101 with websocket": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
}

# The head is good and passed on; then it ends, or the connection does.
CUT = {
    "chunk size 0x": CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
    "chunk size +": CHUNKED + b"+2\r\nok\r\n0\r\n\r\n",
    "chunk extension without end": CHUNKED + b"2;a=b\rok\r\n0\r\n\r\n",
    "chunk extensions of 66 KiB": CHUNKED + (b"1;" + b"a" * 8000 + b"\r\nx\r\n") * 8 + b"0;" + b"a" * 4000 + b"\r\n\r\n",
    "chunk of 16 digits": CHUNKED + b"0000000000000002\r\nok\r\n0\r\n\r\n",
    "chunk too long": CHUNKED + b"1\r\nok\r\n0\r\n\r\n",
    "chunk bare LF": CHUNKED + b"2\nok\n0\n\n",
    "chunk end bare LF": CHUNKED + b"2\r\nok\n0\r\n\r\n",
    "trailer without colon": CHUNKED + b"2\r\nok\r\n0\r\nx y\r\n\r\n",
    "trailers of 10 KiB": CHUNKED + b"2\r\nok\r\n0\r\n" + b"A: b\r\n" * 1700 + b"\r\n",
    "chunk size in spaces": CHUNKED + b" 2\r\nok\r\n0\r\n\r\n",
}

# A whole answer with something behind it, that must not be taken for the next one's.
SURPLUS = {
    "after a length": OK + END,
    "after chunks": CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
    "after length 0": OK + b"Content-Length: 0\r\n\r\n",
    "after 204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "after 204 with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: 99\r\n\r\n",
    "after 304 with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
}
FORGED = b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged'


@pytest.fixture(scope="module")
def shared(tmp_path_factory, authority, certificate):
    """One pair of daemons for all cases: none of them may disturb the next."""
    with LookAlike(KEYS, certificate) as server:
        rig = Rig(tmp_path_factory.mktemp("strict"), server.url, authority.file)
        yield rig.start(), server
        rig.stop()


def well(rig, server, before):
    """The next call is answered by the upstream itself, on another connection."""
    answer = rig.call("POST", "/v1/org", BODY)
    assert answer.status == 200 and b"forged" not in answer.body and "id" in answer.json
    assert server.connections == before + 1


def fresh(rig, server):
    """The number of connections once there is a new one that has carried a call."""
    server.close_all()
    until(lambda: rig.metric("cention_upstream_open") == 0, what="closed connections")
    assert rig.call("POST", "/v1/org", BODY).status == 200
    return server.connections


@pytest.mark.parametrize("close", [True, False], ids=["closing", "staying"])
@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken_heads(shared, name, close):
    rig, server = shared
    before = fresh(rig, server)
    if name == "endless reason" and close:
        pytest.skip("the same as half a head")
    server.order(answer=BROKEN[name], close=close)
    answer = rig.call("POST", "/v1/org", BODY)
    assert (answer.status, answer.json["code"]) == (502, "upstream_broken"), answer.body
    assert answer.json["outcome"] == "unknown"
    outcome = rig.records("outcome")[-1]
    assert (outcome["status"], outcome["sent"]) == (502, "all")
    well(rig, server, before)


@pytest.mark.parametrize("name", sorted(CUT))
def test_broken_bodies(shared, name):
    rig, server = shared
    before = fresh(rig, server)
    server.order(answer=CUT[name])
    answer = rig.call("POST", "/v1/org", BODY)
    assert (answer.status, answer.json["code"]) == (502, "upstream_broken"), answer.body
    assert (answer.json["outcome"], answer.json["upstream_status"]) == ("unknown", 200)
    assert rig.records("outcome")[-1]["answer_cut"]
    well(rig, server, before)


@pytest.mark.parametrize("name", sorted(SURPLUS))
def test_surplus(shared, name):
    """In the same piece as the answer, and a moment later."""
    rig, server = shared
    before = fresh(rig, server)
    server.order(answer=SURPLUS[name] + FORGED)
    assert b"forged" not in rig.call("POST", "/v1/org", BODY).body
    well(rig, server, before)


def sent(sock, data):
    """False while the server's own thread is still inside of its last write: then nothing went out."""
    try:
        sock.sendall(data)
    except ssl.SSLError as e:
        assert "BAD_LENGTH" in str(e)
        return False
    return True


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
def test_an_answer_before_its_request(make_rig, certificate, tls):
    """What comes on an idle connection is nobody's answer, however late it comes."""
    with LookAlike(KEYS, certificate if tls else None) as server:
        rig = make_rig(url=server.url, ca_file=None if tls else "").start()
        assert rig.call("POST", "/v1/org", BODY).status == 200
        until(lambda: rig.metric("cention_upstream_idle") == 1)
        with server._lock:
            sock, = server._open
        until(lambda: sent(sock, FORGED), what="a forged answer")
        until(lambda: rig.metric("cention_upstream_open") == 0, what="the end of it")
        well(rig, server, 1)


def test_1xx_one_by_one_take_no_more_time(make_rig, lookalike):
    """Interim answers don't push the time limit back."""
    rig = make_rig(proxy={"upstream": {"response_timeout": 1.0}}).start()
    stop, sent = threading.Event(), []

    def drip():
        while not stop.wait(0.3):
            with lookalike._lock:
                socks = list(lookalike._open)
            for sock in socks:
                try:
                    sock.sendall(b"HTTP/1.1 103 Hints\r\n\r\n")
                    sent.append(1)
                except (OSError, ValueError, socket.error):
                    pass

    lookalike.order(answer=b"")
    thread = threading.Thread(target=drip)
    thread.start()
    try:
        answer = rig.call("POST", "/v1/org", BODY)
    finally:
        stop.set()
        thread.join()
    assert (answer.status, answer.json["code"]) == (504, "upstream_timeout"), answer.body
    assert 1 <= len(sent) <= 5
