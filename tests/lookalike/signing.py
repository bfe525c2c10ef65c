"""The API's signature scheme, written from the vendor's document, independently of the daemon.

The daemon's code is never used here: a look-alike that verified with it would prove nothing.
"""
import hashlib
import hmac
import json


class Number(str):
    """A JSON number that keeps the text it was sent with."""


def _pairs(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members


def parse(body):
    """A JSON text with its numbers' text kept."""
    return json.loads(body, object_pairs_hook=_pairs, parse_int=Number, parse_float=Number,
                      parse_constant=_refuse)


def _refuse(name):
    raise ValueError(name)


def _scalar(value):
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None:
        return "null"
    return str(value)


def _ordered(members):
    return sorted(members.items(), key=lambda item: item[0].encode())


def _json(value):
    if isinstance(value, dict):
        return "{" + ",".join(_json(k) + ":" + _json(v) for k, v in _ordered(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_json(v) for v in value) + "]"
    if isinstance(value, str) and not isinstance(value, Number):
        return json.dumps(value, ensure_ascii=False)
    return _scalar(value)


def _flatten(value):
    if isinstance(value, dict):
        return ":".join(_flatten(v) for _, v in _ordered(value))
    if isinstance(value, list):
        return ",".join(_flatten(v) for v in value)
    return _scalar(value)


def canonical(value, nested):
    """One field's value as it is signed."""
    if nested == "json":
        if isinstance(value, dict):
            return _json(value)
        if isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
            return _json(value)
    return _flatten(value)


def string_to_sign(key_id, workspace, path, body, nested="flatten"):
    """<access-key-id>:<space>:<api-path>:<value>..., values in order of their names."""
    members = parse(body) if body else {}
    if not isinstance(members, dict):
        raise ValueError("the body is no object")
    parts = [key_id, workspace, path] + [canonical(v, nested) for _, v in _ordered(members)]
    return ":".join(parts)


def sign(secret, text):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def check(authorization, keys, workspace, path, body, nested, form):
    """None when the field's value is right for the request, else what is wrong with it."""
    if authorization is None:
        return "no Authorization"
    prefix = "CENTION1-HMAC-SHA256 "
    if form == "literal":
        prefix = "Authorization " + prefix
    if not authorization.startswith(prefix):
        return "Authorization has another form"
    key_id, comma, signature = authorization[len(prefix):].partition(",")
    if not comma or (key_id, workspace) not in keys:
        return "unknown access key"
    try:
        text = string_to_sign(key_id, workspace, path, body, nested)
    except ValueError as error:
        return "the body can't be read: %s" % error
    if not hmac.compare_digest(sign(keys[key_id, workspace], text), signature):
        return "wrong signature"
    return None
