"""The parameters of the API's document, and the cases that test_parameters.py makes of them.

Written from the vendor's document alone, never from the daemon's own description of the API.

A table is a dict of names; a list is an array of what it holds; a text is a kind of scalar. A path
is a tuple of names and indices. A value that Python would write in another way is a Raw.
"""
import collections
import copy
import itertools
import json

BOOL, INT, DAYS, EMAIL_ID, TEXT = "bool", "integer", "days", "email id", "string"
TIME, ZONE, LANGUAGE, TYPE = "HH:MM", "time zone", "language", "keyword type"
TABLE, ARRAY = "table", "array"

# The document has GST twice: South Georgia (GMT-2) and Dubai (GMT+4).
ZONES = ("SST HDT AKDT PST MST CST EST AMT ART GST CVT GMT BST CET EET MSK AST PKT BDT WIB MYT "
         "PHT KST AEDT VLAT NZST").split()
LANGUAGES = ("SE", "NO", "DK", "FI")
TYPES = ("From", "To", "Subject", "Subject or text")
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

BRIGHT = {"active": BOOL, "language_code": LANGUAGE, "survey_reference_code": TEXT}
WORKING_TIME = {day: {"end": TIME, "has_rule": BOOL, "start": TIME, "working": BOOL}
                for day in DAY_NAMES}
DONE_DATE = {"done_date_address": TEXT, "due_date_selected": INT,
             "expected_done_date_note": TEXT, "has_done_date_notification": BOOL}
EXPIRE_TIME = {name: {"days": INT, "hours": INT, "mins": INT} for name in (
    "general_alert_time", "general_warning_time", "hold_time", "partial_answer_alert_time",
    "partial_answer_hold_time", "partial_answer_warning_time")}

TABLES = {
    "org": {
        "active": BOOL, "anonymize_contact": BOOL, "anonymize_day": DAYS,
        "bright_settings": BRIGHT, "external_id": TEXT, "name": TEXT, "pro_active_chat": TEXT,
        "time_zone": ZONE, "working_time_data": WORKING_TIME},
    "area": {
        "active": BOOL, "agent_groups": [{"id": INT, "name": TEXT}], "anonymize_contact": BOOL,
        "anonymize_day": DAYS, "bright_settings": BRIGHT, "chat_area_url": TEXT,
        "chat_external_id": TEXT, "days_to_keep_errand": INT, "default_subject_prefix": TEXT,
        "description": TEXT, "done_date": DONE_DATE, "due_date_move_to_areaId": INT,
        "exclude_anonymize": BOOL, "expire_time": EXPIRE_TIME, "external_experts_by_email": BOOL,
        "external_experts_from_address": TEXT, "external_experts_note": TEXT,
        "external_experts_pre_filled_address": TEXT, "external_forward_number": TEXT,
        "external_id": TEXT, "feedback_send_out_delay": INT, "has_chat": BOOL,
        "has_postpone": BOOL, "has_voice": BOOL, "name": TEXT, "organisation_id": INT,
        "pro_active_chat": TEXT, "remove_errand_from_area": BOOL, "reply_to_email_address": TEXT,
        "reply_to_name": TEXT, "server_emails": [{"id": EMAIL_ID, "name": TEXT, "order": INT}],
        "time_zone": ZONE, "working_time_data": WORKING_TIME},
    "routing/keywords": {"areas": [INT], "content": TEXT, "type": TYPE},
    "routing/autotags": {"areas": [INT], "content": TEXT, "type": TYPE, "tag": TEXT},
    "routing/sip": {"areas": [INT], "route_sip_id": TEXT},
    "tag": {"areas": [INT], "tag_color": TEXT, "tag_delete": BOOL, "tag_name": TEXT,
            "tag_vip": BOOL, "parent_tag": TEXT, "sub_tag": TEXT},
}

# The parameters with a star, and the smallest bodies and array elements that have all of them.
REQUIRED = {
    "org": [("name",)],
    "area": [("name",), ("agent_groups", 0, "id"), ("agent_groups", 0, "name"),
             ("server_emails", 0, "id"), ("server_emails", 0, "name"),
             ("server_emails", 0, "order")],
    "routing/keywords": [("areas",), ("content",), ("type",)],
    "routing/autotags": [("areas",), ("content",), ("type",), ("tag",)],
    "routing/sip": [("areas",), ("route_sip_id",)],
    "tag": [("areas",), ("tag_name",)],
}
SMALLEST = {
    "org": {"name": "n"},
    "area": {"name": "n"},
    "routing/keywords": {"areas": [1], "content": "c", "type": "From"},
    "routing/autotags": {"areas": [1], "content": "c", "type": "To", "tag": "t"},
    "routing/sip": {"areas": [1], "route_sip_id": "1"},
    "tag": {"areas": [1], "tag_name": "t"},
}
ELEMENTS = {"areas": 1, "agent_groups": {"id": 1, "name": "g"},
            "server_emails": {"id": -1, "name": "e@example.com", "order": 1}}


class Raw(str):
    """JSON to be sent as it is."""


def encode(value):
    """JSON bytes, with each Raw as it is."""
    def text(value):
        if isinstance(value, Raw):
            return value
        if isinstance(value, dict):
            return "{%s}" % ", ".join(
                "%s: %s" % (json.dumps(k), text(v)) for k, v in value.items())
        if isinstance(value, list):
            return "[%s]" % ", ".join(map(text, value))
        return json.dumps(value, ensure_ascii=False)
    return text(value).encode()


# Good values by kind; EMAIL_ID is that of an update, a create takes only -1.
GOOD = {
    BOOL: {"true": True, "false": False},
    INT: {"0": 0, "1": 1, "365": 365},
    DAYS: {"0": 0, "365": 365},
    EMAIL_ID: {"5": 5, "minus-1": -1},
    TEXT: {"word": "text", "digits": "123456", "unicode": "Göteborg åäö 😀",
           "escapes": "a\"b\\c\n", "punctuation": "TagLv1 / TagLv2", "email": "a@example.com"},
    TIME: {"09:00": "09:00", "00:00": "00:00", "23:59": "23:59", "18:30": "18:30"},
    ZONE: {zone: zone for zone in ZONES},
    LANGUAGE: {code: code for code in LANGUAGES},
    TYPE: {kind.replace(" ", "-"): kind for kind in TYPES},
}

# Values of a wrong type by kind. null is wrong for all of them.
WRONG_TEXT = {"integer": 1, "true": True, "false": False, "object": {}, "array": [],
              "array-of-string": ["a"]}
WRONG_INT = {"string": "1", "true": True, "1.5": Raw("1.5"), "1.0": Raw("1.0"), "1e2": Raw("1e2"),
             "too-large": Raw("9223372036854775808"), "too-small": Raw("-9223372036854775809"),
             "empty-string": "", "object": {}, "array": [1]}
WRONG = {
    BOOL: {"1": 1, "0": 0, "string": "true", "empty-string": "", "object": {}, "array": [True]},
    INT: WRONG_INT, DAYS: WRONG_INT, EMAIL_ID: WRONG_INT,
    TEXT: WRONG_TEXT, TIME: WRONG_TEXT, ZONE: WRONG_TEXT, LANGUAGE: WRONG_TEXT, TYPE: WRONG_TEXT,
    TABLE: {"array": [], "array-of-object": [{}], "string": "{}", "integer": 1, "true": True},
    ARRAY: {"object": {}, "string": "1,2,3", "integer": 1, "object-by-index": {"0": 1},
            "true": True},
}

# Values of the right type that are wrong all the same.
REFUSED = {
    DAYS: {"minus-1": -1},
    ZONE: {"XYZ": "XYZ", "cet": "cet", "Europe-Stockholm": "Europe/Stockholm"},
    LANGUAGE: {"se": "se", "GB": "GB"},
    TYPE: {"Body": "Body", "subject": "subject", "Subject-or-Text": "Subject or Text"},
    TIME: {"24:00": "24:00", "9:00": "9:00", "09:60": "09:60", "0900": "0900",
           "09:00-space": "09:00 "},
}

# One or more parameters of each kind that get every good and every wrong value, not just one.
EVERY = {
    ("org", "active"), ("org", "anonymize_day"), ("org", "name"), ("org", "bright_settings"),
    ("org", "bright_settings.language_code"), ("org", "working_time_data"),
    ("org", "working_time_data.Friday"), ("org", "working_time_data.Friday.end"),
    ("org", "working_time_data.Sunday.working"), ("org", "time_zone"), ("area", "time_zone"),
    ("area", "organisation_id"), ("area", "agent_groups"), ("area", "agent_groups[0]"),
    ("area", "agent_groups[0].name"), ("area", "server_emails[0].id"),
    ("area", "server_emails[0].order"), ("area", "expire_time.hold_time.days"),
    ("area", "bright_settings.language_code"), ("routing/keywords", "type"),
    ("routing/autotags", "type"), ("routing/sip", "areas[0]"), ("tag", "areas"),
}

# The document's example answers: those of a create, then those of an update. Left out are id and
# tag_id, which only answers have. Mended are a comma too many (update of an organization, of a
# routing for auto tag), one too few (the same) and the quote of the area's id.
_DAY = {"end": "18:00", "start": "09:00", "working": True}
_HOURS = {"days": 1, "hours": 0, "mins": 0}
EXAMPLES = {
    "org": [
        {"active": True, "anonymize_contact": True, "anonymize_day": 365,
         "bright_settings": {"active": True, "language_code": "SE",
                             "survey_reference_code": "123"},
         "external_id": "123456", "name": "new organisation", "pro_active_chat": "1",
         "time_zone": "CET",
         "working_time_data": {"Friday": _DAY, "Monday": _DAY, "Saturday": _DAY,
                               "Thursday": _DAY, "Tuesday": _DAY, "Wednesday": _DAY}},
        {"active": True, "anonymize_contact": True, "anonymize_day": 365}],
    "area": [
        {"agent_groups": [{"id": 1, "name": "API Agents"}], "anonymize_contact": True,
         "anonymize_day": 0, "description": "Area 1",
         "done_date": {"done_date_address": "notification@example.com", "due_date_selected": 1,
                       "expected_done_date_note": "note to customer",
                       "has_done_date_notification": True},
         "expire_time": {"general_alert_time": _HOURS, "general_warning_time": _HOURS,
                         "hold_time": _HOURS, "partial_answer_alert_time": _HOURS,
                         "partial_answer_hold_time": _HOURS,
                         "partial_answer_warning_time": _HOURS},
         "external_id": "998", "has_chat": True, "name": "Area 1", "organisation_id": 5,
         "reply_to_email_address": "reply-to@example.com", "reply_to_name": "support",
         "server_emails": [{"id": -1, "name": "s1@example.com", "order": 1},
                           {"id": -1, "name": "s2@example.com", "order": 2}],
         "time_zone": "MYT",
         "working_time_data": {"Friday": _DAY, "Monday": _DAY, "Thursday": _DAY,
                               "Tuesday": _DAY, "Wednesday": _DAY}},
        {"name": "Area 1 name"}],
    "routing/keywords": [
        {"areas": [1, 2, 3], "content": "account", "type": "Subject or text"},
        {"areas": [1, 3], "content": "faulty", "type": "Subject or text"}],
    "routing/autotags": [
        {"areas": [1, 2, 3], "content": "account", "type": "Subject or text", "tag": "tag-name"},
        {"areas": [1, 3], "content": "faulty", "tag": "tag-name", "type": "Subject or text"}],
    "routing/sip": [
        {"areas": [1, 2, 3], "route_sip_id": "123456"},
        {"areas": [1, 3], "route_sip_id": "123456"}],
    "tag": [
        {"areas": [1, 2, 3], "tag_delete": False, "tag_name": "tagLv1"},
        {"areas": [1, 2, 3], "parent_tag": "tagLv1", "tag_name": "tagLv2"}],
}

# Fields of other calls, of answers, or wrongly written ones.
STRANGERS = [
    ("org", ("id",), 1), ("org", ("deleted",), False), ("org", ("Names",), "n"),
    ("org", ("description",), "d"), ("org", ("organisation_id",), 1),
    ("org", ("working_time_data", "Funday"), _DAY), ("org", ("working_time_data", "monday"), _DAY),
    ("org", ("bright_settings", "id"), 1), ("org", ("nothing",), None),
    ("area", ("id",), 3), ("area", ("due_date_move_to_area_id",), 1),
    ("area", ("organization_id",), 5), ("area", ("working_time_data", "Funday"), _DAY),
    ("area", ("server_emails", 0, "kind"), "alias"), ("area", ("server_emails", 1, "kind"), "x"),
    ("area", ("agent_groups", 0, "order"), 1), ("area", ("expire_time", "days"), 1),
    ("area", ("expire_time", "hold_time", "seconds"), 0), ("area", ("days",), 1),
    ("routing/keywords", ("id",), 5), ("routing/keywords", ("tag",), "t"),
    ("routing/autotags", ("id",), 6), ("routing/autotags", ("tag_name",), "t"),
    ("routing/sip", ("id",), 2), ("routing/sip", ("content",), "c"),
    ("routing/sip", ("type",), "From"), ("tag", ("id",), 37), ("tag", ("tag_id",), 22),
    ("tag", ("tag",), "t"),
]

# Several mistakes in one body: what is put where, and the code that each is told with.
MISTAKES = {
    "POST org": [
        (("name",), 1, "invalid_field"), (("time_zone",), "XYZ", "invalid_field"),
        (("id",), 1, "unknown_field"), (("working_time_data", "Friday", "end"), "24:00",
                                        "invalid_field")],
    "POST org without its name": [
        (("name",), ..., "missing_field"), (("active",), 1, "invalid_field"),
        (("bright_settings", "kind"), "x", "unknown_field")],
    "POST area": [
        (("agent_groups", 1, "name"), ..., "missing_field"),
        (("has_chat",), None, "invalid_field"),
        (("server_emails", 1, "id"), 7, "invalid_field"),
        (("expire_time", "hold_time", "mins"), "0", "invalid_field"),
        (("done_date", "id"), 1, "unknown_field")],
    "POST routing/keywords": [
        (("areas",), ..., "missing_field"), (("content",), ..., "missing_field"),
        (("type",), "Body", "invalid_field")],
    "POST routing/autotags without anything": [
        ((name,), ..., "missing_field") for name in ("areas", "content", "type", "tag")],
    "POST routing/sip": [
        (("areas", 1), "2", "invalid_field"), (("route_sip_id",), 123456, "invalid_field")],
    "POST tag": [
        (("areas",), {}, "invalid_field"), (("tag_name",), ..., "missing_field"),
        (("tag_id",), 22, "unknown_field")],
    "PUT org": [
        (("anonymize_day",), -1, "invalid_field"), (("external_id",), None, "invalid_field"),
        (("kind",), None, "unknown_field")],
    "PUT area": [
        (("working_time_data", "Monday", "has_rule"), 1, "invalid_field"),
        (("working_time_data", "Funday"), {}, "unknown_field"),
        (("server_emails", 0, "order"), "1", "invalid_field")],
    "PUT tag": [
        (("areas", 0), None, "invalid_field"), (("tag_vip",), "true", "invalid_field")],
}

Case = collections.namedtuple("Case", "name method resource body field code")


def path_text(path):
    """The path as an answer names it: server_emails[0].id"""
    return "".join("[%d]" % step if isinstance(step, int) else "." + step for step in path)[1:]


def place(body, path, value, create):
    """Puts a value at the path; what a create needs on the way to it is made, and is good."""
    at = body
    for step, after in zip(path, path[1:]):
        if isinstance(after, int) and step not in at:
            count = after + 1
            at[step] = [copy.deepcopy(ELEMENTS[step]) for _ in range(count)]
            if not create:
                at[step][-1] = {}
        elif isinstance(after, int):
            while len(at[step]) <= after:
                at[step].append(copy.deepcopy(ELEMENTS[step]))
        elif not isinstance(step, int):
            at.setdefault(step, {})
        at = at[step]
    if value is ...:
        at.pop(path[-1], None)
    else:
        at[path[-1]] = value
    return body


def start(method, resource):
    return copy.deepcopy(SMALLEST[resource]) if method == "POST" else {}


def case(method, resource, path, what, value, code=None):
    """One value, alone in an update and beside what is required in a create."""
    field = path_text(path)
    body = place(start(method, resource), path, value, method == "POST")
    return Case("%s %s %s %s" % (method, resource, field or '""', what), method, resource,
                encode(body), field, code)


def walk(table, path=()):
    """(path, what the document says of it) of every parameter, outer ones first."""
    steps = enumerate(table) if isinstance(table, list) else table.items()
    for step, inner in steps:
        yield path + (step,), inner
        if isinstance(inner, (dict, list)):
            yield from walk(inner, path + (step,))


def kind_of(inner):
    return TABLE if isinstance(inner, dict) else ARRAY if isinstance(inner, list) else inner


def whole(inner, create):
    """A good value with everything in it."""
    if isinstance(inner, dict):
        return {name: whole(value, create) for name, value in inner.items()}
    if isinstance(inner, list):
        return [whole(inner[0], create)]
    return -1 if inner == EMAIL_ID and create else next(iter(GOOD[inner].values()))


def good_values(path, inner, create):
    if inner == EMAIL_ID and create:
        return {"minus-1": -1}
    if isinstance(inner, str):
        values = dict(GOOD[inner])
        if path[-1] == "organisation_id":
            values["largest"] = Raw("9223372036854775807")
        return values
    values = {"whole": whole(inner, create)}
    if not (create and isinstance(path[-1], int)):  # there an empty one lacks what has a star
        values["empty"] = type(inner)()
    return values


def every_parameter():
    for resource, table in TABLES.items():
        for path, inner in walk(table):
            for method in ("POST", "PUT"):
                yield method, resource, path, inner


def some(choices, counters, key, every):
    """All (name, value) pairs, or one of them, another one each time."""
    pairs = list(choices.items())
    if every:
        return pairs
    return [pairs[next(counters[key]) % len(pairs)]]


def good_cases():
    counters = collections.defaultdict(itertools.count)
    for method, resource, path, inner in every_parameter():
        values = good_values(path, inner, method == "POST")
        every = (resource, path_text(path)) in EVERY or kind_of(inner) in (TABLE, ARRAY)
        for what, value in some(values, counters, (kind_of(inner), method), every):
            yield case(method, resource, path, "good-" + what, value)


def wrong_type_cases():
    counters = collections.defaultdict(itertools.count)
    for method, resource, path, inner in every_parameter():
        every = (resource, path_text(path)) in EVERY
        kind = kind_of(inner)
        yield case(method, resource, path, "bad-null", None, "invalid_field")
        for what, value in some(WRONG[kind], counters, (kind, method), every):
            yield case(method, resource, path, "bad-" + what, value, "invalid_field")
    for path, what, value in [(("areas", 1), "string", "2"), (("areas", 2), "null", None),
                              (("areas", 1), "array", [2]), (("areas", 1), "1.0", Raw("1.0"))]:
        for resource in ("routing/keywords", "routing/autotags", "routing/sip", "tag"):
            for method in ("POST", "PUT"):
                yield case(method, resource, path, "bad-" + what, value, "invalid_field")
    for path in [("agent_groups", 1, "name"), ("server_emails", 1, "name")]:
        for method in ("POST", "PUT"):
            yield case(method, "area", path, "bad-integer", 1, "invalid_field")


def wrong_value_cases():
    counters = collections.defaultdict(itertools.count)
    for method, resource, path, inner in every_parameter():
        if inner in (ZONE, LANGUAGE, TYPE, TIME, DAYS):
            every = inner != TIME or path[-2] == "Friday"
            for what, value in some(REFUSED[inner], counters, (inner, method), every):
                yield case(method, resource, path, "bad-" + what, value, "invalid_field")
    for index, value in [(0, 0), (0, 1), (0, 5), (0, -2), (1, 5)]:
        yield case("POST", "area", ("server_emails", index, "id"), "bad-%d" % value, value,
                   "invalid_field")


def unknown_cases():
    for resource, path, value in STRANGERS:
        for method in ("POST", "PUT"):
            yield case(method, resource, path, "unknown", value, "unknown_field")
    for method, resource, path, inner in every_parameter():
        if isinstance(inner, dict) and (resource, path) != ("area", ("server_emails", 0)):
            yield case(method, resource, path + ("kind",), "unknown", "x", "unknown_field")
    for resource in TABLES:
        for method in ("POST", "PUT"):
            yield case(method, resource, ("kind",), "unknown", {"a": [1]}, "unknown_field")


def missing_cases():
    """Creations that lack a parameter with a star: in a small body and in the example's."""
    for resource, paths in REQUIRED.items():
        for path in paths:
            for what, base in (("small", SMALLEST[resource]), ("example", EXAMPLES[resource][0])):
                body = place(copy.deepcopy(base), path, ..., True)
                yield Case("%s %s %s" % (resource, path_text(path), what), "POST", resource,
                           encode(body), path_text(path), "missing_field")
    for path in [("agent_groups", 1, "id"), ("server_emails", 1, "order")]:
        body = place(start("POST", "area"), path, ..., True)
        yield Case("area %s small" % path_text(path), "POST", "area", encode(body),
                   path_text(path), "missing_field")


def example_cases():
    for resource, examples in EXAMPLES.items():
        for origin, example in zip(("create", "update"), examples):
            for method in ("POST", "PUT"):
                body = {**start(method, resource), **example}
                yield Case("%s %s, the answer to %s" % (method, resource, origin), method,
                           resource, encode(body), None, None)


def mistakes_cases():
    """(case, the list of (field, code) that must be told)."""
    for name, mistakes in MISTAKES.items():
        method, resource = name.split(" ")[:2]
        body = start(method, resource)
        for path, value, _ in mistakes:
            place(body, path, value, method == "POST")
        yield (Case(name, method, resource, encode(body), None, None),
               [(path_text(path), code) for path, _, code in mistakes])
