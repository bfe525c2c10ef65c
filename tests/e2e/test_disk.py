"""A disk that fails or is full: nothing told that is not on record, and a plain word about why.

A failing write or sync ends the keeper, so that its next start decides on what is in the log. A
shortage that is found before anything is lost lets what is under way come to its end.
"""
import errno
import os
import re
import signal
import subprocess
import threading

import pytest

import trail
from outage import Faults, Ledger, Load, chance, verified
from rig import Daemon, program, until, needs_signatures

BODY = {"name": "n"}
# operation, errno, more: what may go wrong when a batch is written
BATCH = [("write", "ENOSPC", {}), ("write", "EIO", {}), ("write", "ENOSPC", {"short": True}),
         ("fdatasync", "EIO", {"times": 1}), ("fdatasync", "ENOSPC", {"times": 1})]
BATCH_IDS = ["write-ENOSPC", "write-EIO", "short-write", "fdatasync-EIO", "fdatasync-ENOSPC"]


@pytest.fixture
def stage(make_rig):
    """stage(...): (rig, faults), not started."""
    def make(segment_bytes=None, **kwargs):
        rig = make_rig(**kwargs)
        if segment_bytes:
            rig.keeper_settings["audit"]["segment_bytes"] = segment_bytes
            rig.write_conf()
        return rig, Faults(rig)
    return make


def together(rig, count):
    """Answers of requests that reach the keeper in one turn: one batch."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(rig.call("POST", "/v1/org", BODY)))
               for _ in range(count)]
    before = rig.metric("cention_requests_total")
    rig.keeper.signal(signal.SIGSTOP)
    try:
        for thread in threads:
            thread.start()
        until(lambda: rig.metric("cention_requests_total") == before + count, what="the requests")
    finally:
        rig.keeper.signal(signal.SIGCONT)
    for thread in threads:
        thread.join()
    return answers


def refused(answer, *codes):
    assert (answer.status, answer.json.get("outcome")) == (503, "not-sent"), answer.body
    assert answer.json["code"] in (codes or ("audit_unavailable",)), answer.body


def ended(rig, seconds=5):
    """The keeper went by itself: exit code 1, and one line that says why. Returns the reason."""
    try:
        code = rig.keeper.process.wait(seconds)
    except subprocess.TimeoutExpired:
        pytest.fail("the keeper is still there:\n" + rig.keeper.log)
    rig.keeper._reader.join(5)
    lines = re.findall(r"event=audit_failed .*", rig.keeper.log)
    assert code == 1 and len(lines) == 1, (code, rig.keeper.log)
    return re.search(r'reason="([^"]*)"', lines[0]).group(1)


def start(rig):
    """A keeper that need not come up."""
    keeper = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf), env=rig.keeper_env)
    rig.daemons.append(keeper)
    return keeper


def out_of_space(rig, keeper):
    assert keeper.process.wait(10) == 1
    keeper._reader.join(5)
    assert "No space left on device" in keeper.log and str(rig.audit_folder) in keeper.log


def unready(rig, reason):
    """Readiness tells the audit's reason, and goes on telling it when the keeper has gone."""
    answer = rig.admin("/readyz")
    assert answer.status == 503 and reason in answer.body.decode(), (reason, answer.body)


def well_again(rig, faults):
    faults.lift()
    rig.start_keeper()
    rig.wait_ready()
    assert rig.call("POST", "/v1/org", BODY).status == 200
    verified(rig.audit_folder)


@pytest.mark.parametrize("operation, error, more", BATCH, ids=BATCH_IDS)
def test_a_batch_that_fails(stage, lookalike, operation, error, more):
    """No request of it is sent; the keeper goes, and says why."""
    rig, faults = stage()
    rig.start()
    assert rig.call("POST", "/v1/org", BODY).status == 200
    faults.fail(operation, error, **more)
    for answer in together(rig, 8):
        refused(answer)
    reason = ended(rig)
    assert "audit-1.jsonl" in reason and os.strerror(getattr(errno, error)) in reason
    unready(rig, reason)
    refused(rig.call("POST", "/v1/org", BODY), "audit_unavailable", "keeper_unavailable")
    unready(rig, reason)
    assert len(lookalike.requests) == 1
    well_again(rig, faults)
    assert len(lookalike.requests) == 2


@pytest.mark.parametrize("operation, error, more", BATCH, ids=BATCH_IDS)
def test_an_outcome_that_can_not_be_recorded(stage, lookalike, operation, error, more):
    """The upstream's success is told as what it is: sent, and not on record."""
    rig, faults = stage()
    rig.start()
    lookalike.order(delay=0.3)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(rig.call("POST", "/v1/org", BODY)))
    thread.start()
    lookalike.wait_for(1)
    faults.fail(operation, error, **more)
    thread.join()
    answer = answers[0]
    assert (answer.status, answer.json["code"]) == (500, "audit_unavailable"), answer.body
    assert (answer.json["upstream_status"], answer.json["outcome"]) == (200, "unknown")
    reason = ended(rig)
    unready(rig, reason)
    well_again(rig, faults)
    own = [r for r in rig.records("outcome") if r["id"] == answer.field("x-request-id")]
    # A failed sync may have let the outcome through; a failed write has not.
    assert len(own) == 1 and (own[0]["sent"] == "unknown" or operation == "fdatasync"), own


def test_no_sync_is_tried_again(stage):
    """The kernel reports a lost write once. Who asks again is told of success."""
    rig, faults = stage()
    rig.start()
    assert rig.call("POST", "/v1/org", BODY).status == 200
    faults.fail("fdatasync", "EIO", times=1)
    refused(rig.call("POST", "/v1/org", BODY))
    calls = [faults.count(call) for call in ("fdatasync", "fsync")]
    refused(rig.call("POST", "/v1/org", BODY), "audit_unavailable", "keeper_unavailable")
    ended(rig)
    assert [faults.count(call) for call in ("fdatasync", "fsync")] == calls
    assert faults.count("fdatasync", of="failed") == 1
    well_again(rig, faults)


# operation, error, segment, more; the last ones are of a rotation
ANYWHERE = [("write", "ENOSPC", True, {}), ("write", "EIO", True, {"short": True}),
            ("fdatasync", "EIO", True, {"times": 1}), ("fsync", "EIO", True, {"times": 1}),
            ("create", "ENOSPC", True, {}), ("create", "ENOSPC", False, {}),
            ("write", "ENOSPC", False, {}), ("write", "EIO", False, {"short": True}),
            ("fsync", "EIO", False, {"times": 1}), ("rename", "EIO", True, {}),
            ("rename", "EIO", False, {})]


@needs_signatures
@pytest.mark.parametrize("operation, error, segment, more", ANYWHERE, ids=[
    "-".join((o, e, "segment" if s else "other", *m)) for o, e, s, m in ANYWHERE])
def test_a_fault_under_load(stage, plain, operation, error, segment, more):
    """At a random moment, rotations included: every promise holds, and it goes on afterwards."""
    dice = chance()
    rig, faults = stage(4096, url=plain.url)
    rig.start()
    load = Load(rig, clients=8, seed=dice.random())
    ledger = Ledger(rig, load, plain)
    load.resume()
    load.wait_for(20)
    faults.fail(operation, error, after=dice.randrange(20), segment=segment, **more)
    load.wait_for(200, of=lambda status: True)
    fired = faults.count(operation, segment, of="failed")
    load.park()
    if fired:
        reason = ended(rig)
        unready(rig, reason)
        ledger.after_loss()
        faults.lift()
        rig.start_keeper()
        ledger.after_start()
        load.resume()
        load.wait_for(50)
    load.stop()
    assert fired or operation == "rename" or faults.count(operation, segment) < 20, "never failed"
    rig.stop()
    ledger.after_loss()
    ledger.at_the_end()


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("how", ["altered", "replaced"])
def test_a_live_segment_that_can_not_be_put_back(stage, how, after):
    """Someone touched it, and the disk fails at the repair: the next start finds all records."""
    rig, faults = stage(4096)
    rig.start()
    told = set()
    while len(trail.segments(rig.audit_folder)) < 3 or len(told) % 5:
        answer = rig.call("POST", "/v1/org", BODY)
        assert answer.status == 200
        told.add(answer.field("x-request-id"))
    path = trail.segments(rig.audit_folder)[-1]
    if how == "altered":
        with path.open("ab") as file:
            file.write(b"x\n")
    else:
        (path.parent / "copy").write_bytes(path.read_bytes())
        (path.parent / "copy").replace(path)
    faults.fail("rename", "EIO", after=after)
    answer = rig.call("POST", "/v1/org", BODY)
    if faults.count("rename", of="failed"):
        refused(answer)
        ended(rig)
    else:  # one step was enough
        assert answer.status == 200
        rig.keeper.stop()
    well_again(rig, faults)
    assert told <= {r["id"] for r in rig.records("outcome")}


# ---- shortage that is found ahead


@pytest.mark.parametrize("segment_bytes", [4096, 16384])
def test_no_space_ahead(stage, plain, segment_bytes):
    """The reserve can't be had: what is under way ends well, nothing new begins, a clean stop."""
    rig, faults = stage(segment_bytes, url=plain.url)
    rig.start()
    plain.order(delay=1.5)
    slow = []
    thread = threading.Thread(target=lambda: slow.append(rig.call("POST", "/v1/org", BODY)))
    thread.start()
    plain.wait_for(1)
    faults.fail("fallocate", "ENOSPC")
    answer = None
    for _ in range(400):
        answer = rig.call("POST", "/v1/org", BODY)
        if answer.status != 200:
            break
    refused(answer)
    assert thread.is_alive(), "the slow request was not under way any more"
    refused(rig.call("POST", "/v1/org", BODY))
    unready(rig, "No space left on device")
    thread.join()
    assert slow[0].status == 200, slow[0].body
    reason = ended(rig)
    assert "No space left on device" in reason
    unready(rig, reason)
    assert [r["type"] for r in rig.records()][-2:] == ["stop", "checkpoint"]
    own = [r for r in rig.records("outcome") if r["id"] == slow[0].field("x-request-id")]
    assert [(r["status"], r["sent"]) for r in own] == [(200, "all")]
    assert all(r["sent"] == "all" for r in rig.records("outcome"))
    well_again(rig, faults)


def test_a_file_system_without_reserves(stage, lookalike):
    """It is an optimisation of bad news: where it can't be had, the log goes on without."""
    rig, faults = stage(4096)
    for segment in (True, False):
        faults.fail("fallocate", "EOPNOTSUPP", segment=segment)
    rig.start()
    for _ in range(60):
        assert rig.call("POST", "/v1/org", BODY).status == 200
    assert len(trail.segments(rig.audit_folder)) > 5


@pytest.mark.parametrize("log, operations", [
    ("new", ["write"]), ("new", ["create"]), ("new", ["write", "create", "fallocate"]),
    ("old", ["write"]), ("old", ["fallocate"]), ("old", ["write", "create", "fallocate"])],
    ids=["new-write", "new-create", "new-all", "old-write", "old-reserve", "old-all"])
def test_a_start_without_space(stage, log, operations):
    rig, faults = stage()
    if log == "old":
        rig.start_keeper()
        rig.keeper.stop()
    for operation in operations:
        for segment in (True, False):
            faults.fail(operation, "ENOSPC", segment=segment)
    keeper = start(rig)
    out_of_space(rig, keeper)
    assert "event=listening" not in keeper.log
    faults.lift()
    rig.start_keeper()
    rig.keeper.stop()
    verified(rig.audit_folder)


# ---- a real one


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB; .grow() makes it larger."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "cention-test", str(place)],
                              capture_output=True, text=True)

    made = mount("size=4m,mode=0750")
    if made.returncode:
        pytest.skip("can't mount a file system: " + made.stderr.strip())
    try:
        yield place, lambda: mount("remount,size=16m")
    finally:
        if subprocess.run(["umount", str(place)], capture_output=True).returncode:
            subprocess.run(["umount", "-l", str(place)], check=True)


@needs_signatures
@pytest.mark.parametrize("filler", ["the log", "another file"])
def test_a_disk_that_is_full(small_disk, make_rig, plain, filler):
    """A real one fills up under load, refuses the start, and is given space again."""
    place, grow = small_disk
    dice = chance()
    rig = make_rig(url=plain.url)
    rig.audit_folder = place / "audit"
    rig.audit_folder.mkdir(mode=0o750)
    rig.keeper_settings["audit"].update(directory=rig.audit_folder, segment_bytes=65536)
    rig.write_conf()
    rig.start()
    load = Load(rig, clients=8, seed=dice.random(), fat=4000)
    ledger = Ledger(rig, load, plain)
    load.resume()
    foreign = place / "foreign"
    if filler == "another file":
        load.wait_for(100)
        with foreign.open("wb", 0) as file:
            while True:
                try:
                    file.write(bytes(4096))
                except OSError:
                    break
    load.wait_for(20, seconds=60, of=lambda status: status == 503)
    load.park()
    reason = ended(rig)
    assert "No space left on device" in reason
    unready(rig, reason)
    ledger.after_loss()
    with (place / "rest").open("wb", 0) as file:  # what the keeper could not use
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            pass
    for _ in range(2):
        keeper = start(rig)
        until(lambda: keeper.process.poll() is not None or "event=listening" in keeper.log)
        if "event=listening" in keeper.log:  # what the last one had reserved is enough for that
            keeper.stop()
        else:
            out_of_space(rig, keeper)
        ledger.after_loss()
    if filler == "another file":
        foreign.unlink()
    else:
        assert grow().returncode == 0
    rig.start_keeper()
    ledger.after_start()
    load.resume()
    load.wait_for(50)
    load.stop()
    rig.stop()
    ledger.after_loss()
    ledger.at_the_end()
