"""JSON that others wrote, through the live daemon: what must be refused never gets a signature."""
import collections
import json
import os
import pathlib
import time

import pytest

from rig import TOP

CORPUS = pathlib.Path(os.environ.get("CENTION_SHARED", TOP.parent / "shared")) / (
    "corpora/json-test-suite")
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the JSON corpus is not here")


SLOWEST = 5.0  # seconds; nothing waits for a timer (limits.body_timeout is 30)


def send_all(rig, pattern):
    """(name, bytes, answer) of each file, over keep-alive connections; prints a summary."""
    connection = rig.connection()
    results, slowest = [], 0.0
    for path in sorted(CORPUS.glob(pattern)):
        body = path.read_bytes()
        began = time.monotonic()
        answer = rig.call("PUT", "/v1/org/1", body, connection=connection)
        slowest = max(slowest, time.monotonic() - began)
        if answer.field("connection") == "close":
            connection.close()
        results.append((path.name, body, answer))
    connection.close()
    kinds = collections.Counter("signed and sent" if answer.status == 404 else "%d %s" % (
        answer.status, answer.json["code"]) for _, _, answer in results)
    print("\n%s %d files: %s; slowest %.0f ms" % (pattern, len(results), ", ".join(
        "%d %s" % (n, kind) for kind, n in sorted(kinds.items())), slowest * 1000))
    assert slowest < SLOWEST
    assert rig.proxy.process.poll() is None and rig.keeper.process.poll() is None
    return results


@pytest.mark.parametrize("validation", ["enforce", "off"])
def test_what_must_be_refused(make_rig, lookalike, validation):
    rig = make_rig(proxy={"validation": validation}).start()
    results = send_all(rig, "n_*.json")
    assert len(results) > 150
    for name, _, answer in results:
        assert (answer.status, answer.json["code"]) == (400, "bad_json"), name
    assert lookalike.requests == []
    assert len(rig.records("reject")) == len(results)
    assert rig.records("intent") == []


def test_what_must_be_accepted(lax_rig, lookalike):
    results = send_all(lax_rig, "y_*.json")
    assert len(results) > 90
    objects = 0
    for name, body, answer in results:
        text = json.loads(body)
        keys = [k for k, _ in json.loads(body, object_pairs_hook=list)] if isinstance(
            text, dict) else []
        if isinstance(text, dict) and len(keys) == len(set(keys)):
            objects += 1
            assert answer.status == 404, name  # the look-alike has no such object: it was sent
            assert lookalike.requests[objects - 1].body == body
        else:  # no object, or a key twice: JSON, but nothing that can be signed
            assert answer.status == 400, name
    assert objects >= 10
    assert len(lookalike.accepted) == objects == len(lookalike.requests)


def test_what_may_be_either(lax_rig, lookalike):
    for name, body, answer in send_all(lax_rig, "i_*.json"):
        assert answer.status in (400, 404), name
    assert len(lookalike.accepted) == len(lookalike.requests)
