"""HTTP/2 to the upstream, against a real server of it: nginx in front of the look-alike."""
import json
import threading

import pytest

import nginx
from nginx import Nginx
from test_calls import BODIES

pytestmark = pytest.mark.skipif(bool(nginx.missing()), reason=nginx.missing())


@pytest.fixture
def serve(tmp_path, certificate, plain, make_rig):
    """serve(**for nginx): a rig whose upstream is an nginx before the look-alike `plain`."""
    running = []

    def make(upstream=None, **kwargs):
        server = Nginx(tmp_path / "nginx", certificate, plain, **kwargs).__enter__()
        running.append(server)
        return make_rig(server.url, proxy={"upstream": upstream or {}}).start(), server

    yield make
    for server in running:
        server.__exit__()


def load(rig, clients, turns):
    """Every client one call after the other; the ids of those that did not succeed."""
    failed, lock = [], threading.Lock()

    def one(number):
        connection = rig.connection(60)
        for turn in range(turns):
            given = rig.call("POST", "/v1/org", {"name": "%d of %d" % (turn, number)},
                             connection=connection)
            if given.status != 200:
                with lock:
                    failed.append((number, turn, given.status, given.body))
        connection.close()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    return failed


@pytest.mark.parametrize("resource", sorted(BODIES))
def test_every_call(serve, plain, resource):
    rig, server = serve()
    body = json.dumps(BODIES[resource], indent=2, ensure_ascii=False).encode()
    path = "/v1/" + resource
    for method, at, sent in (("POST", path, body), ("PUT", path + "/1", body),
                             ("DELETE", path + "/1", None)):
        given = rig.call(method, at, sent)
        assert given.status == 200, given.body
        request = plain.requests[-1]
        assert request.problem is None  # the signature is good
        assert (request.method, request.target) == (method, "/s/televox" + at)
        assert request.body == (sent or b"")
        names = dict((k.lower(), v) for k, v in request.fields)
        assert names["host"] == server.url.partition("//")[2]
        assert names["x-request-id"] == given.field("x-request-id")
    assert {r[0] for r in server.requests()} == {"HTTP/2.0"}
    assert len({r[1] for r in server.requests()}) == 1


def test_many_clients(serve, plain):
    """More calls than a connection of nginx's takes (1,000): none is lost where it ends one."""
    rig, server = serve()
    assert load(rig, 64, 40) == []
    assert len(plain.accepted) == 64 * 40 == len({r.body for r in plain.requests})
    seen = server.requests()
    assert {r[0] for r in seen} == {"HTTP/2.0"}
    assert len({r[1] for r in seen}) <= 8
    assert rig.metric("cention_upstream_connections_total") <= 8


def test_large_bodies(serve, plain):
    rig, _ = serve()
    body = json.dumps({"name": "".join(chr(0x100 + i % 700) for i in range(300000))},
                      ensure_ascii=False).encode()
    assert rig.call("POST", "/v1/org", body).status == 200
    assert plain.requests[0].body == body and plain.requests[0].problem is None


def test_large_answers(serve, plain):
    rig, _ = serve()
    plain.order(stream=5 * 1024 * 1024)
    given = rig.call("POST", "/v1/org", {"name": "n"})
    assert given.status == 200 and given.body == bytes(range(256)) * (5 * 4096)
    assert given.field("content-length") == str(5 * 1024 * 1024)


def test_a_server_without_it(serve, plain):
    rig, server = serve(http2=False)
    assert load(rig, 8, 5) == []
    assert {r[0] for r in server.requests()} == {"HTTP/1.1"} and len(plain.accepted) == 40


def test_switched_off(serve, plain):
    rig, server = serve(upstream={"http2": False})
    assert load(rig, 8, 5) == []
    assert {r[0] for r in server.requests()} == {"HTTP/1.1"} and len(plain.accepted) == 40


def test_a_server_that_goes_and_comes(serve, plain):
    """nginx is stopped in order between calls: the next ones are on a connection of their own."""
    rig, server = serve()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    server.__exit__()
    given = rig.call("POST", "/v1/org", {"name": "n"})
    assert (given.status, given.json["outcome"]) == (502, "not-sent")
    server.__enter__()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    assert len(plain.accepted) == 2
