"""The 18 documented calls, with state, answering in the document's shapes."""
import json
import re
import threading

RESOURCES = {
    "org": ("name",),
    "area": ("name",),
    "routing/keywords": ("areas", "content", "type"),
    "routing/autotags": ("areas", "content", "type", "tag"),
    "routing/sip": ("areas", "route_sip_id"),
    "tag": ("areas", "tag_name"),
}

_PATH = re.compile(r"^/v1/(%s)(?:/([1-9][0-9]*|0))?$" % "|".join(RESOURCES))


class Api:
    """Objects by resource and workspace. Safe to call from several threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._objects = {}
        self._last = 0

    def call(self, method, workspace, path, body):
        """(status, bytes of the JSON answer) of one verified call."""
        match = _PATH.match(path)
        if not match:
            return self._error(404, "no such path")
        resource, number = match.group(1), match.group(2)
        try:
            members = json.loads(body) if body else {}
        except ValueError:
            return self._error(400, "not JSON")
        with self._lock:
            if number is None and method == "POST":
                return self._create(resource, workspace, members)
            if number is not None and method == "PUT":
                return self._update(resource, workspace, int(number), members)
            if number is not None and method == "DELETE":
                return self._delete(resource, workspace, int(number))
        return self._error(405, "no such call")

    @staticmethod
    def _error(status, text):
        return status, json.dumps({"error": text}).encode()

    @staticmethod
    def _good(members):
        return 200, json.dumps(members, indent=3, ensure_ascii=False).encode()

    def _create(self, resource, workspace, members):
        for name in RESOURCES[resource]:
            if name not in members:
                return self._error(400, "%s is missing" % name)
        self._last += 1
        made = {"id": self._last, **members}
        if resource == "tag":
            made["tag_id"] = self._last + 1000
        self._objects[resource, workspace, self._last] = made
        return self._good(made)

    def _update(self, resource, workspace, number, members):
        known = self._objects.get((resource, workspace, number))
        if known is None:
            return self._error(404, "%s %d does not exist" % (resource, number))
        known.update(members)
        return self._good({"id": number, **members})

    def _delete(self, resource, workspace, number):
        if self._objects.pop((resource, workspace, number), None) is None:
            return self._error(404, "%s %d does not exist" % (resource, number))
        return self._good({"id": number, "deleted": True})
