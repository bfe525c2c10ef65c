"""Every parameter of every documented call: good ones arrive signed, wrong ones are never sent."""
import collections
import json

import pytest

from lookalike import LookAlike
from parameters import (DAY_NAMES, SMALLEST, TABLES, ZONES, example_cases, good_cases,
                        missing_cases, mistakes_cases, unknown_cases, walk, wrong_type_cases,
                        wrong_value_cases)
from rig import KEYS, Rig

GOOD = list(good_cases())
WRONG_TYPES = list(wrong_type_cases())
WRONG_VALUES = list(wrong_value_cases())
UNKNOWN = list(unknown_cases())
MISSING = list(missing_cases())
EXAMPLES = list(example_cases())
MISTAKES = list(mistakes_cases())
NOT_IN_DELETE = {"id": b'{"id": 1}', "deleted": b'{"deleted": true}', "name": b'{"name": "n"}',
                 "areas": b'{"areas": []}'}


def each(cases):
    """One test for each case, with the case's name as its id."""
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@pytest.fixture(scope="module")
def shared(tmp_path_factory, authority, certificate):
    """One pair of daemons for all cases: none of them may disturb the next."""
    with LookAlike(KEYS, certificate) as server:
        rig = Rig(tmp_path_factory.mktemp("parameters"), server.url, authority.file)
        try:
            yield rig.start(), server
        finally:
            rig.stop()


def target(method, resource):
    return "/v1/" + resource + ("" if method == "POST" else "/1")


def forwarded(shared, method, resource, body):
    """Sends the body; it must arrive as it is, with a signature that the look-alike accepts."""
    rig, server = shared
    before = len(server.requests)
    answer = rig.call(method, target(method, resource), body)
    assert len(server.requests) == before + 1, (body, answer.status, answer.body)
    request = server.requests[-1]
    assert request.problem is None, body
    assert (request.method, request.target, request.body) == (
        method, "/s/televox" + target(method, resource), body or b"")
    # The look-alike has made an object for a create; others may meet none, which is its 404.
    assert answer.status in ((200,) if method == "POST" else (200, 404)), answer.body


def refused(shared, method, resource, body):
    """Sends the body; it must be answered 422 in the daemon's words. Nothing goes upstream."""
    rig, server = shared
    before = len(server.requests)
    answer = rig.call(method, target(method, resource), body)
    assert answer.status == 422, (body, answer.body)
    assert len(server.requests) == before, body
    assert answer.field("content-type") == "application/json"
    told = answer.json
    assert told["outcome"] == "not-sent" and told["errors"], told
    assert isinstance(told["errors"], list)
    for entry in told["errors"]:
        assert all(isinstance(entry[name], str) for name in ("field", "code", "error")), told
        assert entry["error"], told
    first = told["errors"][0]
    for name in ("field", "code", "error"):
        assert told[name] == first[name], told
    return answer


def refused_for(shared, case):
    """Refused, with this one field named at the top and among the errors."""
    answer = refused(shared, case.method, case.resource, case.body)
    told = answer.json
    assert (told["code"], told["field"]) == (case.code, case.field), (case.body, told)
    assert (case.field, case.code) in [(e["field"], e["code"]) for e in told["errors"]], told
    return answer


@each(GOOD)
def test_a_good_value_is_forwarded(shared, case):
    forwarded(shared, case.method, case.resource, case.body)


@each(WRONG_TYPES)
def test_a_wrong_type_is_refused(shared, case):
    refused_for(shared, case)


@each(WRONG_VALUES)
def test_a_wrong_value_is_refused(shared, case):
    refused_for(shared, case)


@each(UNKNOWN)
def test_an_unknown_field_is_refused(shared, case):
    refused_for(shared, case)


@each(MISSING)
def test_a_create_needs_what_has_a_star(shared, case):
    refused_for(shared, case)


@each(MISSING)
def test_an_update_needs_nothing(shared, case):
    forwarded(shared, "PUT", case.resource, case.body)


@each(EXAMPLES)
def test_the_examples_of_the_document(shared, case):
    forwarded(shared, case.method, case.resource, case.body)


@pytest.mark.parametrize("case, mistakes", MISTAKES, ids=[case.name for case, _ in MISTAKES])
def test_all_mistakes_are_told(shared, case, mistakes):
    told = refused(shared, case.method, case.resource, case.body).json
    assert sorted((e["field"], e["code"]) for e in told["errors"]) == sorted(mistakes), case.body


@pytest.mark.parametrize("field", sorted(NOT_IN_DELETE))
@pytest.mark.parametrize("resource", sorted(SMALLEST))
def test_a_delete_has_no_parameter(shared, resource, field):
    told = refused(shared, "DELETE", resource, NOT_IN_DELETE[field]).json
    assert (told["code"], told["field"]) == ("unknown_field", field), told


@pytest.mark.parametrize("body", [None, b"{}"], ids=["no body", "empty object"])
@pytest.mark.parametrize("resource", sorted(SMALLEST))
def test_a_delete_without_a_field_is_forwarded(shared, resource, body):
    forwarded(shared, "DELETE", resource, body)


@pytest.mark.parametrize("name, code", [
    ("POST area server_emails[0].id bad-string", "invalid_field"),
    ("PUT org working_time_data.Friday.end bad-24:00", "invalid_field"),
    ("POST org id unknown", "unknown_field"),
    ("PUT area server_emails[0].kind unknown", "unknown_field"),
    ("area agent_groups[0].name small", "missing_field"),
])
def test_a_refusal_is_in_the_audit(shared, name, code):
    rig, _ = shared
    case = next(c for c in WRONG_TYPES + WRONG_VALUES + UNKNOWN + MISSING if c.name == name)
    number = refused_for(shared, case).field("x-request-id")
    record, = [r for r in rig.records() if r.get("id") == number]
    assert (record["type"], record["status"], record["code"], record["field"]) == (
        "reject", 422, code, case.field)
    assert (record["method"], record["workspace"], record["path"]) == (
        case.method, "televox", target(case.method, case.resource))
    assert case.code == code and "fields" not in record


def test_a_refusal_of_several_mistakes_is_one_record(shared):
    rig, _ = shared
    case, mistakes = MISTAKES[0]
    answer = refused(shared, case.method, case.resource, case.body)
    record, = [r for r in rig.records() if r.get("id") == answer.field("x-request-id")]
    assert record["type"] == "reject"
    assert (record["field"], record["code"]) == (answer.json["field"], answer.json["code"])
    assert (record["field"], record["code"]) in mistakes


def test_nothing_was_left_out():
    """The tables are as long as the document's, and every parameter has cases of its own."""
    assert {name: len(table) for name, table in TABLES.items()} == {
        "org": 9, "area": 33, "routing/keywords": 3, "routing/autotags": 4, "routing/sip": 2,
        "tag": 7}
    assert len(ZONES) == len(set(ZONES)) == 26 and len(set(DAY_NAMES)) == 7
    assert len(GOOD) > 300 and len(WRONG_TYPES) > 300
    assert len(WRONG_VALUES) > 50 and len(UNKNOWN) > 100 and len(MISSING) > 30
    parameters = sum(len(list(walk(table))) for table in TABLES.values())
    for cases in (GOOD, WRONG_TYPES):
        methods = collections.Counter(
            method for method, _, _ in {(c.method, c.resource, c.field) for c in cases})
        assert methods["POST"] >= parameters and methods["PUT"] >= parameters
    for cases in (GOOD, WRONG_TYPES, WRONG_VALUES, UNKNOWN, MISSING, EXAMPLES):
        assert len({case.name for case in cases}) == len(cases)
        assert all(isinstance(json.loads(case.body), dict) for case in cases)
