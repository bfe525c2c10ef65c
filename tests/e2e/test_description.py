"""The shipped API description against facts taken by hand from the vendor's document."""
import json
import pathlib
import re

import pytest

FILE = pathlib.Path(__file__).resolve().parents[2] / "conf" / "cention-openapi.json"
API = json.loads(FILE.read_text(encoding="utf-8"))
SCHEMAS = API["components"]["schemas"]

CHECKS = {"type", "properties", "required", "additionalProperties", "enum", "pattern", "minimum",
          "maximum", "items", "minLength", "maxLength"}
NOTES = {"title", "description", "$comment", "default", "deprecated", "example", "examples",
         "readOnly", "writeOnly"}
BESIDE_REF = {"$ref", "title", "description", "$comment"}
TYPES = {"bool": "boolean", "integer": "integer", "string": "string", "struct": "object",
         "map": "object", "array": "array"}

RESOURCES = {"org": "Organization", "area": "Area", "routing/keywords": "KeywordsRouting",
             "routing/autotags": "AutotagsRouting", "routing/sip": "SipRouting", "tag": "Tag"}

# The parameter tables: a star marks what must exist during creation.
TABLES = {
    "Organization": """active bool, anonymize_contact bool, anonymize_day integer,
        bright_settings struct, external_id string, name* string, pro_active_chat string,
        time_zone string, working_time_data map""",
    "Area": """active bool, agent_groups array, anonymize_contact bool, anonymize_day integer,
        bright_settings struct, chat_area_url string, chat_external_id string,
        days_to_keep_errand integer, default_subject_prefix string, description string,
        done_date struct, due_date_move_to_areaId integer, exclude_anonymize bool,
        expire_time struct, external_experts_by_email bool, external_experts_from_address string,
        external_experts_note string, external_experts_pre_filled_address string,
        external_forward_number string, external_id string, feedback_send_out_delay integer,
        has_chat bool, has_postpone bool, has_voice bool, name* string, organisation_id integer,
        pro_active_chat string, remove_errand_from_area bool, reply_to_email_address string,
        reply_to_name string, server_emails array, time_zone string, working_time_data map""",
    "KeywordsRouting": "areas* array, content* string, type* string",
    "AutotagsRouting": "areas* array, content* string, type* string, tag* string",
    "SipRouting": "areas* array, route_sip_id* string",
    "Tag": """areas* array, tag_color string, tag_delete bool, tag_name* string, tag_vip bool,
        parent_tag string, sub_tag string""",
}
HOURS = "days integer, hours integer, mins integer"
# Where a nested table is, below each resource that has it; [] stands for an array's items.
NESTED = {
    "Organization bright_settings": """active bool, language_code string,
        survey_reference_code string""",
    "Organization working_time_data": """Monday struct, Tuesday struct, Wednesday struct,
        Thursday struct, Friday struct, Saturday struct, Sunday struct""",
    "Area agent_groups []": "id* integer, name* string",
    "Area server_emails []": "id* integer, name* string, order* integer",
    "Area done_date": """done_date_address string, due_date_selected integer,
        expected_done_date_note string, has_done_date_notification bool""",
    "Area expire_time": """general_alert_time struct, general_warning_time struct,
        hold_time struct, partial_answer_alert_time struct, partial_answer_hold_time struct,
        partial_answer_warning_time struct""",
    **{"Area expire_time " + name: HOURS for name in (
        "general_alert_time", "general_warning_time", "hold_time", "partial_answer_alert_time",
        "partial_answer_hold_time", "partial_answer_warning_time")},
    **{"Organization working_time_data " + day: """end string, has_rule bool, start string,
        working bool""" for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
                                    "Saturday", "Sunday")},
}
NESTED.update({place.replace("Organization", "Area"): table for place, table in NESTED.items()
               if place.startswith("Organization")})

ZONES = """SST HDT AKDT PST MST CST EST AMT ART GST CVT GMT BST CET EET MSK AST PKT BDT WIB MYT
    PHT KST AEDT VLAT NZST""".split()
KEYWORDS = ["From", "To", "Subject", "Subject or text"]


def target(reference):
    """What a `#/...` reference names; KeyError when it names nothing."""
    assert reference.startswith("#/"), reference
    at = API
    for word in reference[2:].split("/"):
        at = at[word.replace("~1", "/").replace("~0", "~")]
    return at


def follow(schema):
    for _ in range(10):
        if "$ref" not in schema:
            return schema
        schema = target(schema["$ref"])
    raise AssertionError("references in a circle")


def below(schema):
    """Each schema in and behind this one, as written; objects refer to none of their parents."""
    yield schema
    if "$ref" in schema:
        yield from below(target(schema["$ref"]))
    for inner in schema.get("properties", {}).values():
        yield from below(inner)
    if "items" in schema:
        yield from below(schema["items"])


def table(text):
    """{name: type} and the starred names."""
    rows = [row.split() for row in text.split(",")]
    return ({name.rstrip("*"): TYPES[kind] for name, kind in rows},
            {name.rstrip("*") for name, _ in rows if name.endswith("*")})


def types(schema):
    return {name: follow(inner)["type"] for name, inner in schema["properties"].items()}


def part(schema, *path):
    """The schema of a field; [] is an array's items."""
    schema = follow(schema)
    for name in path:
        schema = follow(schema["items"] if name == "[]" else schema["properties"][name])
    return schema


def calls():
    for path, item in API["paths"].items():
        for method, call in item.items():
            if method != "parameters":
                yield path, method, call


def answer(call):
    """The media type of the answer that a call has when it works."""
    return call["responses"]["2XX"]["content"]["application/json"]


REQUESTS = {call["operationId"]: call["requestBody"]["content"]["application/json"]["schema"]
            for _, _, call in calls() if "requestBody" in call}
EVERY = [s for root in (*REQUESTS.values(), *SCHEMAS.values(),
                        API["components"]["parameters"]["id"]["schema"]) for s in below(root)]


def accepts(schema, value):
    """Whether the schema, in the subset that the daemon knows, lets a JSON value through."""
    schema = follow(schema)
    kind = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
    if kind.get(type(value)) != schema["type"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    if value.__class__ is int:
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if isinstance(value, list):
        return all(accepts(schema["items"], v) for v in value)
    if isinstance(value, dict):
        known = schema["properties"]
        return (set(schema.get("required", ())) <= set(value)
                and (schema.get("additionalProperties", True) or set(value) <= set(known))
                and all(accepts(known[k], v) for k, v in value.items() if k in known))
    return True


def test_the_18_calls():
    expected = set()
    for path in RESOURCES:
        expected |= {("/v1/" + path, "post"), ("/v1/%s/{id}" % path, "put"),
                     ("/v1/%s/{id}" % path, "delete")}
    assert {(path, method) for path, method, _ in calls()} == expected
    assert len(list(calls())) == 18


@pytest.mark.parametrize("path", RESOURCES)
def test_a_resource(path):
    name = RESOURCES[path]
    one, many = API["paths"]["/v1/%s/{id}" % path], API["paths"]["/v1/" + path]
    assert "parameters" not in many
    assert [follow(p)["name"] for p in one["parameters"]] == ["id"]
    assert follow(one["parameters"][0])["schema"] == {"type": "integer", "minimum": 0}
    assert "requestBody" not in one["delete"]
    assert answer(one["delete"])["schema"] == {"$ref": "#/components/schemas/Deleted"}
    for call, verb in ((many["post"], "Create"), (one["put"], "Update")):
        assert call["requestBody"]["required"] is True
        assert call["requestBody"]["content"] == {
            "application/json": {"schema": {"$ref": "#/components/schemas/" + name + verb}}}
        assert answer(call)["schema"] == {"$ref": "#/components/schemas/" + name}
    for call in (many["post"], one["put"], one["delete"]):
        assert set(call["responses"]) == {"2XX", "default"}
        assert call["responses"]["default"] == {"$ref": "#/components/responses/Error"}
    assert types(SCHEMAS["Deleted"]) == {"id": "integer", "deleted": "boolean"}
    assert types(SCHEMAS["Error"]) == {"error": "string"}


@pytest.mark.parametrize("name", TABLES)
def test_parameters(name):
    fields, starred = table(TABLES[name])
    create, update = SCHEMAS[name + "Create"], SCHEMAS[name + "Update"]
    assert types(create) == types(update) == fields
    assert set(create["required"]) == starred
    assert "required" not in update
    own = {"id": "integer", "tag_id": "integer"} if name == "Tag" else {"id": "integer"}
    assert types(SCHEMAS[name]) == {**own, **fields}
    assert set(SCHEMAS[name]["required"]) == set(own)
    if "areas" in fields:
        assert follow(part(create, "areas"))["items"] == {"type": "integer"}


@pytest.mark.parametrize("place", NESTED)
def test_nested_parameters(place):
    name, *path = place.split()
    fields, starred = table(NESTED[place])
    create, update = part(SCHEMAS[name + "Create"], *path), part(SCHEMAS[name + "Update"], *path)
    assert types(create) == types(update) == fields
    assert set(create.get("required", ())) == starred
    assert "required" not in update


def test_every_struct_has_its_table():
    for name in TABLES:
        places = set()

        def walk(schema, path):
            schema = follow(schema)
            if schema["type"] == "array":
                walk(schema["items"], path + ["[]"])
            for field, inner in schema.get("properties", {}).items():
                walk(inner, path + [field])
            if schema["type"] == "object" and path:
                places.add(" ".join([name] + path))

        walk(SCHEMAS[name + "Create"], [])
        assert places == {place for place in NESTED if place.split()[0] == name}


def test_every_request_object_is_closed():
    objects = [s for root in REQUESTS.values() for s in below(root) if s.get("type") == "object"]
    assert len(REQUESTS) == 12 and objects
    for schema in objects:
        assert schema["additionalProperties"] is False, schema["description"]


def test_only_keywords_that_the_daemon_knows():
    for schema in EVERY:
        if "$ref" in schema:
            assert set(schema) <= BESIDE_REF, schema
            follow(schema)
        else:
            assert isinstance(schema["type"], str), schema
            assert set(schema) <= CHECKS | NOTES, schema
            assert set(schema.get("required", ())) <= set(schema.get("properties", ()))
            assert ("items" in schema) == (schema["type"] == "array")


def test_every_reference_resolves():
    def walk(value):
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                target(value["$ref"])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(API)


def test_every_parameter_is_explained():
    for schema in EVERY:
        for name, inner in schema.get("properties", {}).items():
            while "description" not in inner:
                inner = target(inner["$ref"])
            assert inner["description"].endswith("."), name


def test_no_bound_but_the_documented_ones():
    """Everywhere else the type alone counts."""
    bounded = {}
    for schema in EVERY:
        for name, inner in schema.get("properties", {}).items():
            limits = {k: v for k, v in follow(inner).items() if k in CHECKS - {
                "type", "properties", "required", "additionalProperties", "items"}}
            if limits:
                bounded.setdefault(name, []).append(limits)
    time = {"pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
    expected = {
        "anonymize_day": [{"minimum": 0}], "time_zone": [{"enum": ZONES}],
        "language_code": [{"enum": ["SE", "NO", "DK", "FI"]}], "type": [{"enum": KEYWORDS}],
        "start": [time], "end": [time], "id": [{"minimum": -1}, {"enum": [-1]}],
    }
    assert set(bounded) == set(expected)
    for name, limits in bounded.items():
        assert all(one in expected[name] for one in limits), name
        assert all(one in limits for one in expected[name]), name
    assert len(set(ZONES)) == 26


def test_what_a_refusal_calls_them():
    assert {name: SCHEMAS[name]["title"] for name in SCHEMAS if "title" in SCHEMAS[name]} == {
        "TimeZone": "time zone", "Language": "language", "KeywordType": "keyword type",
        "TimeOfDay": "time of day (HH:MM)"}


@pytest.mark.parametrize("path,method", [(p, m) for p, m, _ in calls()])
def test_documented_answers(path, method):
    media = answer(API["paths"][path][method])
    value = dict(media["examples"]["documented"]["value"])
    assert accepts(media["schema"], value)
    if method == "delete":
        assert value.pop("deleted") is True and list(value) == ["id"]
        return
    del value["id"]
    if value.pop("tag_id", None) is not None:
        assert path.startswith("/v1/tag")
    verb = "Create" if method == "post" else "Update"
    name = RESOURCES[path[len("/v1/"):].replace("/{id}", "")]
    assert accepts(SCHEMAS[name + verb], value)


WEEK = {"Monday": {"start": "09:00", "end": "18:00", "working": True, "has_rule": False}}
EMAIL = {"id": -1, "name": "s1@example.com", "order": 1}


@pytest.mark.parametrize("schema,good,body", [
    ("OrganizationCreate", True, {"name": "x", "working_time_data": WEEK}),
    ("OrganizationCreate", False, {"active": True}),
    ("OrganizationCreate", False, {"name": "x", "id": 1}),
    ("OrganizationCreate", False, {"name": None}),
    ("OrganizationUpdate", True, {}),
    ("OrganizationUpdate", True, {"time_zone": "GST", "name": ""}),
    ("OrganizationUpdate", False, {"time_zone": "Europe/Stockholm (GMT+1)"}),
    ("OrganizationUpdate", False, {"time_zone": "cet"}),
    ("OrganizationUpdate", False, {"anonymize_day": -1}),
    ("OrganizationUpdate", False, {"anonymize_day": "1"}),
    ("OrganizationUpdate", False, {"active": 1}),
    ("OrganizationUpdate", False, {"bright_settings": {"language_code": "EN"}}),
    ("OrganizationUpdate", False, {"working_time_data": {"monday": {}}}),
    ("OrganizationUpdate", True, {"working_time_data": {"Sunday": {"end": "23:59"}}}),
    ("OrganizationUpdate", False, {"working_time_data": {"Sunday": {"end": "24:00"}}}),
    ("OrganizationUpdate", False, {"working_time_data": {"Sunday": {"end": "9:00"}}}),
    ("AreaCreate", True, {"name": "x", "server_emails": [EMAIL], "agent_groups": []}),
    ("AreaCreate", False, {"name": "x", "server_emails": [{**EMAIL, "id": 7}]}),
    ("AreaCreate", False, {"name": "x", "server_emails": [{"id": -1, "name": "x"}]}),
    ("AreaCreate", False, {"name": "x", "agent_groups": [{"id": 1}]}),
    ("AreaUpdate", True, {"agent_groups": [{"id": 1}], "server_emails": [{"id": 7}, EMAIL]}),
    ("AreaUpdate", False, {"server_emails": [{"id": -2}]}),
    ("AreaUpdate", True, {"due_date_move_to_areaId": -5}),
    ("AreaUpdate", False, {"due_date_move_to_area_id": 5}),
    ("AreaUpdate", False, {"done_date": {"due_date_selected": True}}),
    ("AreaUpdate", True, {"expire_time": {"hold_time": {"days": -1, "hours": 99, "mins": 600}}}),
    ("KeywordsRoutingUpdate", False, {"type": "Subject or Text"}),
    ("KeywordsRoutingUpdate", False, {"tag": "x"}),
    ("AutotagsRoutingCreate", False, {"areas": [1], "content": "x", "type": "To"}),
    ("SipRoutingUpdate", False, {"areas": [[1]]}),
    ("TagCreate", True, {"areas": [], "tag_name": "x"}),
    ("TagUpdate", False, {"tag_id": 1}),
])
def test_requests(schema, good, body):
    assert accepts(SCHEMAS[schema], body) is good
