"""Someone touches the live segment, or the disk fills up, while the daemons run."""
import json
import os
import shutil
import subprocess

import pytest

import trail
from rig import until

BODY = {"name": "n"}


def post(rig):
    return rig.call("POST", "/v1/org", BODY)


def alarms(rig):
    return [r for r in rig.events() if r["type"] == "alarm"]


def gone(rig, path):
    path.unlink()


def replaced(rig, path):
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    os.replace(copy, path)


def renamed(rig, path):
    path.rename(path.with_suffix(".old"))


def appended(rig, path):
    with open(path, "ab") as file:
        file.write(b'{"seq":99}\n')


def test_a_live_segment_that_is_taken_away(make_rig):
    """It is put back whole, the log tells, readiness is lost, requests go on."""
    for touch, event in [(gone, "removed"), (renamed, "removed"), (replaced, "replaced"),
                         (appended, "altered")]:
        rig = make_rig().start()
        path = rig.audit_folder / "audit-1.jsonl"
        for _ in range(3):
            assert post(rig).status == 200
        before = path.read_bytes()
        touch(rig, path)
        for _ in range(3):
            assert post(rig).status == 200
        assert path.read_bytes().startswith(before)
        records = [json.loads(line) for line in trail.whole(path).splitlines()]
        assert len([r for r in records if r["type"] == "outcome"]) == 6
        alarm, = [r for r in records if r["type"] == "alarm"]
        assert (alarm["segment"], alarm["event"]) == ("audit-1.jsonl", event)
        assert ("kept" in alarm) == (event != "removed")
        rig.keeper.wait_line("event=audit_alarm .*event=%s" % event)
        until(lambda: rig.admin("/readyz").status == 503, what="readiness is lost")
        answer = rig.admin("/readyz")
        assert answer.body.startswith(b"audit_alarm: audit-1.jsonl was %s" % event.encode())
        assert b"cention_audit_alarm 1" in rig.admin("/metrics").body
        assert rig.admin("/healthz").status == 200
        # A new keeper begins with a clean sheet; the alarm stays in the log.
        rig.keeper.stop()
        rig.start_keeper()
        rig.wait_ready()
        assert post(rig).status == 200
        rig.stop()
        trail.verify(rig.audit_folder)


def test_an_idle_log_is_looked_after(rig):
    path = rig.audit_folder / "audit-1.jsonl"
    assert post(rig).status == 200
    path.unlink()
    until(lambda: rig.admin("/readyz").status == 503, seconds=20, what="readiness is lost")
    assert path.exists()


def test_a_live_segment_that_is_cut(rig, lookalike):
    """What was written is lost: nothing is taken any more, and the next start refuses the log."""
    path = rig.audit_folder / "audit-1.jsonl"
    for _ in range(3):
        assert post(rig).status == 200
    os.truncate(path, path.stat().st_size // 2)
    sent = len(lookalike.requests)
    answer = post(rig)
    assert (answer.status, answer.json["code"]) == (503, "audit_unavailable")
    assert len(lookalike.requests) == sent
    rig.keeper.wait_line("event=audit_failed .*altered")
    assert rig.keeper.process.wait(10) == 1
    answer = post(rig)
    assert (answer.status, answer.json["code"]) == (503, "audit_unavailable"), answer.body
    assert b"audit_unavailable" in rig.admin("/readyz").body
    path.unlink()  # or the check at the end would find it broken, as it is


def test_a_disk_that_is_full(rig, lookalike, tmp_path):
    """What is under way is recorded and answered; then the keeper ends and waits for space."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0750", "none", str(disk)],
                      stderr=subprocess.DEVNULL, check=False).returncode:

        pytest.skip("a tmpfs can't be mounted here")
    try:
        rig.keeper.stop()
        rig.audit_folder = disk
        text = rig.keeper_conf.read_text()
        rig.keeper_conf.write_text(text.replace(text.split('directory = "')[1].split('"')[0],
                                                str(disk)))
        rig.start_keeper()
        rig.wait_ready()
        assert post(rig).status == 200
        with open(disk / "ballast", "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"x" * 4096)
            except OSError:
                pass
        answers = []
        while not answers or answers[-1].status == 200:
            answers.append(rig.call("POST", "/v1/org", {"name": "x" * 4000}))
            assert len(answers) < 2000
        answers += [post(rig) for _ in range(5)]
        good = [a for a in answers if a.status == 200]
        rest = answers[len(good):]
        assert len(good) > 10  # what was reserved before
        assert rest and all((a.status, a.json["code"], a.json["outcome"]) ==
                            (503, "audit_unavailable", "not-sent") for a in rest), rest[-1].body
        assert rig.keeper.process.wait(10) == 1
        assert post(rig).json["code"] == "audit_unavailable"
        rig.keeper.wait_line("event=ending .*No space left")
        assert rig.events()[-1]["type"] == "stop"
        assert len(rig.records("outcome")) == len(good) + 1
        assert b"No space left" in rig.admin("/readyz").body
        (disk / "ballast").unlink()
        rig.start_keeper()
        rig.wait_ready()
        assert post(rig).status == 200
        rig.stop()
        trail.verify(disk)
    finally:
        rig.stop()
        subprocess.run(["umount", "-l", str(disk)], check=True)
