"""The main job: every documented call arrives signed, byte for byte, and its answer comes back."""
import json

import pytest

ORG = {"active": True, "anonymize_day": 365, "name": "new organisation", "time_zone": "CET",
       "bright_settings": {"active": True, "language_code": "SE", "survey_reference_code": "123"},
       "working_time_data": {"Monday": {"end": "18:00", "start": "09:00", "working": True}}}
AREA = {"name": "Area 1", "agent_groups": [{"id": 1, "name": "API Agents"}],
        "expire_time": {"hold_time": {"days": 1, "hours": 0, "mins": 0}},
        "server_emails": [{"id": -1, "name": "s1@example.com", "order": 1}]}
BODIES = {
    "org": ORG,
    "area": AREA,
    "routing/keywords": {"areas": [1, 2, 3], "content": "account", "type": "Subject or text"},
    "routing/autotags": {"areas": [1], "content": "c", "type": "From", "tag": "tag-name"},
    "routing/sip": {"areas": [1, 2, 3], "route_sip_id": "123456"},
    "tag": {"areas": [], "tag_name": "tagLv1", "tag_vip": False},
}
ALLOWED = {"host", "authorization", "content-length", "accept", "content-type", "user-agent",
           "x-request-id"}


def seen_once(server, method, target, body):
    request = server.requests[-1]
    assert request.problem is None
    assert (request.method, request.target, request.body) == (method, target, body)
    names = [k.lower() for k, _ in request.fields]
    assert set(names) <= ALLOWED and len(names) == len(set(names)), names
    return request


@pytest.mark.parametrize("resource", sorted(BODIES))
@pytest.mark.parametrize("prefix", ["/s/televox", ""])
def test_create_update_delete(rig, lookalike, resource, prefix):
    body = json.dumps(BODIES[resource], indent=2).encode()
    path = "/v1/" + resource

    made = rig.call("POST", prefix + path, body)
    assert made.status == 200 and made.json["id"] == 1
    seen_once(lookalike, "POST", "/s/televox" + path, body)

    changed = rig.call("PUT", prefix + path + "/1", body)
    assert changed.status == 200
    seen_once(lookalike, "PUT", "/s/televox" + path + "/1", body)

    gone = rig.call("DELETE", prefix + path + "/1")
    assert gone.status == 200 and gone.json == {"id": 1, "deleted": True}
    request = seen_once(lookalike, "DELETE", "/s/televox" + path + "/1", b"")
    assert ("Content-Length", "0") in request.fields
    assert len(lookalike.requests) == 3


def test_second_workspace_has_its_own_key(rig, lookalike):
    assert rig.call("POST", "/s/second/v1/org", {"name": "n"}).status == 200
    assert "other-id," in dict(lookalike.requests[0].fields)["Authorization"]
    assert lookalike.requests[0].problem is None


def test_unix_socket(rig, lookalike):
    answer = rig.call("POST", "/v1/org", {"name": "n"}, connection=rig.unix())
    assert answer.status == 200
    client = rig.records("intent")[0]["client"]
    assert client["via"] == "unix" and client["uid"] >= 0 and client["pid"] > 0


def test_answer_is_unchanged(rig, lookalike):
    body = b'{"error": "as the API says it", "n": 1e400}  '
    lookalike.order(answer=b"HTTP/1.1 418 I'm a teapot\r\nLink: kept\r\nlink: twice\r\n"
                    b"Content-Type: text/x; a=b\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    answer = rig.call("POST", "/v1/org", {"name": "n"})
    assert (answer.status, answer.body) == (418, body)
    assert [v for k, v in answer.fields if k.lower() == "link"] == ["kept", "twice"]
    assert answer.field("content-type") == "text/x; a=b"


def test_only_listed_fields_of_the_answer_pass(rig, lookalike):
    passed = {"Content-Type": "application/json", "ETag": '"1"', "Retry-After": "3",
              "X-RateLimit-Remaining": "7", "Location": "/v1/org/1"}
    kept_back = {"Access-Control-Allow-Origin": "*", "Set-Cookie": "a=b", "Authorization": "x",
                 "WWW-Authenticate": "CENTION1-HMAC-SHA256", "Alt-Svc": 'h3=":443"', "X-Own": "1",
                 "Clear-Site-Data": "*", "Upgrade": "h2c", "Proxy-Authenticate": "Basic"}
    lines = "".join("%s: %s\r\n" % f for f in {**passed, **kept_back}.items())
    lookalike.order(answer=("HTTP/1.1 401 No\r\n%sContent-Length: 2\r\n\r\n{}" % lines).encode())
    answer = rig.call("POST", "/v1/org", {"name": "n"})
    assert answer.status == 401
    assert {k: answer.field(k) for k in passed} == passed
    assert [k for k in kept_back if answer.field(k) is not None] == []


def test_only_allowed_headers_pass(rig, lookalike):
    hostile = {"Authorization": "Bearer mine", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4",
               "Forwarded": "for=x", "Connection": "keep-alive, X-Hop", "X-Hop": "1",
               "Proxy-Authorization": "x", "TE": "trailers", "Upgrade": "h2c", "X-Other": "1",
               "Accept": "application/json", "User-Agent": "legacy/1.0",
               "X-Request-Id": "my-own-id:1"}
    answer = rig.call("POST", "/v1/org", {"name": "n"}, hostile)
    assert answer.status == 200 and answer.field("x-request-id") == "my-own-id:1"
    request = seen_once(lookalike, "POST", "/s/televox/v1/org", b'{"name": "n"}')
    names = dict((k.lower(), v) for k, v in request.fields)
    assert names["user-agent"] == "legacy/1.0" and names["accept"] == "application/json"
    assert names["x-request-id"] == "my-own-id:1"
    assert {r["id"] for r in rig.records() if "id" in r} == {"my-own-id:1"}


@pytest.mark.parametrize("nested", ["flatten", "json"])
@pytest.mark.parametrize("form", ["scheme", "literal"])
def test_the_open_questions_are_settings(make_rig, lookalike, nested, form):
    lookalike.nested, lookalike.form = nested, form
    rig = make_rig(proxy={"signature": {"authorization": form, "nested": nested}}).start()
    assert rig.call("POST", "/v1/org", ORG).status == 200
    assert rig.call("POST", "/v1/area", AREA).status == 200
    assert len(lookalike.accepted) == 2


def test_values_are_signed_as_sent(lax_rig, lookalike):
    body = ('{"b":12345678901234567890123,"a":1.50e+2,"z":"G\\u00f6teborg \\ud83d\\ude00",'
            '"n":null,"t":true,"e":"","l":[],"esc":"a\\"b\\\\c\\n\\/d"}').encode()
    assert lax_rig.call("PUT", "/v1/org/7", body).status == 404  # the look-alike's own answer
    assert lookalike.requests[0].problem is None and lookalike.requests[0].body == body
    fields = lax_rig.records("intent")[0]["fields"]
    assert fields == {"a": "1.50e+2", "b": "12345678901234567890123", "e": "", "esc": 'a"b\\c\n/d',
                      "l": "", "n": "null", "t": "true", "z": "Göteborg 😀"}
