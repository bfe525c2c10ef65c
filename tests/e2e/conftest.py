"""Fixtures: `authority` (a CA for the session), `lookalike`, `rig` (daemons in front of it).

Every test has its own folder, ports and daemons, so tests run in parallel and by name. Daemons
are ended after each test, and all that they left is searched for secrets (leaks.py).
"""
import collections
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lookalike import Authority, LookAlike  # noqa: E402

import leaks  # noqa: E402
import trail  # noqa: E402

from made import Made  # noqa: E402
from rig import KEYS, Rig, program  # noqa: E402


def pytest_sessionstart(session):
    if not pathlib.Path(program("cention-proxyd")).exists():
        pytest.exit("no %s: build first, or set CENTION_BUILD" % program("cention-proxyd"), 2)


LEAKS = collections.Counter()  # of this process; of all its workers in the one that controls them


@pytest.fixture(autouse=True)
def leak_check():
    """First in, last out: it searches when everything has ended."""
    search = leaks.begin()
    yield
    try:
        search.check()
    finally:
        LEAKS.update(search.counts)
        leaks.Leaks.current = None


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["leaks"] = dict(LEAKS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    LEAKS.update(getattr(node, "workeroutput", {}).get("leaks", {}))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(leaks.summary(LEAKS))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def certificate(authority):
    return authority.issue()


@pytest.fixture
def lookalike(certificate):
    with LookAlike(KEYS, certificate) as server:
        yield server


@pytest.fixture
def plain():
    """A look-alike without TLS: its handshakes would be most of the load."""
    with LookAlike(KEYS) as server:
        yield server


@pytest.fixture
def make_rig(tmp_path, lookalike, authority):
    """make_rig(proxy={...}, keeper={...}) writes the configuration; .start() starts it."""
    rigs = []

    def make(url=None, ca_file=None, **kwargs):
        folder = tmp_path / ("rig%d" % len(rigs))
        folder.mkdir(mode=0o700)
        rig = Rig(folder, url or lookalike.url, authority.file if ca_file is None else ca_file,
                  **kwargs)
        rigs.append(rig)
        return rig

    yield make
    for rig in rigs:
        rig.stop()
    for rig in rigs:
        if any(p.stat().st_size for p in trail.segments(rig.audit_folder)):
            trail.verify(rig.audit_folder)


@pytest.fixture
def rig(make_rig):
    return make_rig().start()


@pytest.fixture
def lax_rig(make_rig):
    """Forwards whatever can be signed, also what the API description doesn't know."""
    return make_rig(proxy={"validation": "off"}).start()


@pytest.fixture
def made(tmp_path):
    """An audit log without a keeper: the test writes it, record by record."""
    return Made(tmp_path / "log")
