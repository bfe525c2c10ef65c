"""Searches all that the daemons of a test left behind for what must not be there (README, promise 5).

What: the keys' secrets and whatever else a test puts into `rig.secrets`, every signature that a
look-alike saw, and any Authorization value. Where: log lines, every byte of the audit folders
(compressed segments as they are and unpacked), answers, environments and command lines. conftest.py
does it at the end of each test and adds up what was searched.
"""
import base64
import collections
import os
import pathlib
import re

import trail
from lookalike import LookAlike

_HEX = re.compile(rb"[0-9a-fA-F]{64,}")
_AUTHORIZATION = re.compile(rb"CENTION1-HMAC-SHA256 +[^ ,\"<]+,", re.IGNORECASE)
ANSWER_MAX = 65536  # bytes of an answer's body: no error is longer


def forms(secret):
    """The secret as it is and as programs like to write bytes; of base64 what no neighbour changes."""
    raw = secret.encode()
    return [raw, raw.hex().encode(), raw.hex().upper().encode(),
            base64.b64encode(raw[:len(raw) // 3 * 3])]


class Leaks:
    """One test's search. The daemons, rigs and answers register themselves with `current`."""

    current = None

    def __init__(self):
        self.daemons, self.rigs, self.answers = [], [], []
        self.processes = {}  # (pid, what): bytes of its environment or command line
        self.counts = collections.Counter()
        self.first = len(LookAlike.authorizations)

    def look(self, pid):
        """Keeps the environment and command line of a process and of all that it started."""
        for what in ("environ", "cmdline"):
            try:
                data = pathlib.Path("/proc/%d/%s" % (pid, what)).read_bytes()
            except OSError:
                continue  # it has gone, or is not ours to read
            if data:
                self.processes[pid, what] = data
        try:
            children = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
        except OSError:
            return
        for child in children:
            self.look(int(child))

    def answer(self, fields, body):
        if len(body) <= ANSWER_MAX:
            self.answers.append((str(fields).encode(), body))

    # -- what is searched for

    def prepare(self):
        secrets = {s for rig in self.rigs for s in rig.secrets}
        self.needles = [(s, form) for s in secrets for form in forms(s)]
        values = LookAlike.authorizations[self.first:]
        self.signatures = {run.lower() for v in values for run in _HEX.findall(v)}
        self.counts["signatures"] += len(self.signatures)
        self.counts["secrets"] += len(secrets)

    def found(self, data):
        """What of it is in the bytes, in words without repeating it; None."""
        for _, form in self.needles:
            if form in data:
                return "a secret"
        if _AUTHORIZATION.search(data):
            return "an Authorization value"
        for run in _HEX.findall(data):
            run = run.lower()
            if any(run[i:i + 64] in self.signatures for i in range(len(run) - 63)):
                return "a signature"
        return None

    # -- where

    def _places(self):
        for daemon in self.daemons:
            self.counts["daemons"] += 1
            self.counts["log lines"] += len([x for x in daemon.lines if x is not None])
            yield "the log of %s" % daemon.name, daemon.log.encode()
        for (pid, what), data in self.processes.items():
            self.counts["environments" if what == "environ" else "command lines"] += 1
            yield "/proc/%d/%s" % (pid, what), data
        for fields, body in self.answers:
            self.counts["answers"] += 1
            yield "an answer's fields", fields
            yield "an answer's body", body
        for folder in {rig.audit_folder for rig in self.rigs}:
            for path in folder.rglob("*"):
                yield from self._file(path)

    def _file(self, path):
        if path.is_symlink() or not path.is_file():
            return
        try:
            data = path.read_bytes()
        except OSError:
            return
        self.counts["audit bytes"] += len(data)
        yield str(path), data
        if path.suffix == ".zst":
            try:
                text = trail.content(path)
            except Exception:  # a test broke it; its bytes were searched
                return
            self.counts["audit bytes"] += len(text)
            yield "%s, unpacked" % path, text

    def check(self):
        """AssertionError naming the place of the first hit."""
        self.prepare()
        for where, data in self._places():
            what = self.found(data)
            self.counts["hits"] += what is not None
            assert what is None, "leak: %s holds %s" % (where, what)


def summary(c):
    return ("leak check: %d daemons, %d log lines, %d environments and %d command lines, %d answers,"
            " %d audit bytes; %d secrets and %d signatures searched for: %d hits" % (
                c["daemons"], c["log lines"], c["environments"], c["command lines"], c["answers"],
                c["audit bytes"], c["secrets"], c["signatures"], c["hits"]))


def begin():
    Leaks.current = Leaks()
    return Leaks.current


def note_daemon(daemon):
    if Leaks.current:
        Leaks.current.daemons.append(daemon)


def note_rig(rig):
    if Leaks.current:
        Leaks.current.rigs.append(rig)


def note_answer(fields, body):
    if Leaks.current:
        Leaks.current.answer(fields, body)


def look(pid):
    if Leaks.current and os.path.isdir("/proc/%d" % pid):
        Leaks.current.look(pid)
