"""Finished segments are compressed and retired while the keeper works, and all of it stays provable."""
import pathlib
import subprocess

import pytest

import trail
from rig import program, until


def ctl(*arguments):
    return subprocess.run([program("cention-proxyctl"), "audit", *map(str, arguments)],
                          capture_output=True, text=True, timeout=60)


def start(make_rig, **settings):
    rig = make_rig()
    rig.keeper_settings["audit"].update(segment_bytes=4096, **settings)
    rig.write_conf()
    return rig.start()


def work(rig, n=40):
    for i in range(n):
        assert rig.call("POST", "/v1/org", {"name": "n%d" % i}).status == 200


def names(rig):
    return [p.name for p in trail.segments(rig.audit_folder)]


def test_compressed_segments(make_rig):
    rig = start(make_rig, compress=True)
    work(rig)
    until(lambda: all(n.endswith(".zst") for n in names(rig)[:-1]), what="all are compressed")
    assert len(names(rig)) > 4
    assert len(rig.records("outcome")) == 40
    rig.keeper.wait_line("event=audit_compressed")
    rig.stop()
    folder = rig.audit_folder
    assert not [p for p in folder.iterdir() if p.name.startswith(".pack")]
    head = rig.folder / "head.json"
    head.write_text(ctl("head", folder).stdout)
    assert ctl("verify", "--head", head, folder).returncode == 0
    assert ctl("verify", "--head", head, *trail.segments(folder)).returncode == 0
    trail.verify(folder)
    shown = ctl("show", "--json", "--type", "outcome", folder)
    assert (shown.returncode, shown.stdout.count("\n")) == (0, 40), shown.stderr
    # Decompressed by hand it is the same log.
    for path in trail.segments(folder)[:-1]:
        subprocess.run(["zstd", "-dq", "--rm", str(path)], check=True)
    assert ctl("verify", "--head", head, folder).returncode == 0
    trail.verify(folder)


def test_damaged_compressed_segment(make_rig):
    rig = start(make_rig, compress=True)
    work(rig, 20)
    until(lambda: all(n.endswith(".zst") for n in names(rig)[:-1]), what="all are compressed")
    rig.stop()
    path = trail.segments(rig.audit_folder)[1]
    data = path.read_bytes()
    path.chmod(0o640)
    for changed in (data[:-1], data + b"x", data + data, b"", data[:100] + b"?" + data[101:]):
        path.write_bytes(changed)
        result = ctl("verify", rig.audit_folder)
        assert result.returncode == 1 and path.name in result.stderr, result.stderr
        with pytest.raises(trail.Broken):
            trail.verify(rig.audit_folder)
    path.write_bytes(data)
    trail.verify(rig.audit_folder)


@pytest.mark.parametrize("compress", [False, True])
def test_retired_segments(make_rig, compress):
    rig = start(make_rig, keep_segments=3, compress=compress)
    folder = rig.audit_folder
    work(rig, 10)
    old_head = rig.folder / "old.json"
    old_head.write_text(ctl("head", folder).stdout)
    identity = rig.keeper.wait_line(r"audit_log_created .*identity=(\S+)").group(1)
    work(rig)
    def settled():
        """Three are left, and the newest record says so: between the two there is a moment."""
        for retired in rig.records("retired")[-1:]:
            if len(names(rig)) == 3 and retired["last"] + 1 == trail.number(trail.segments(folder)[0]):
                return retired
        return None

    assert until(settled, what="three are left")["reason"] == "count"
    rig.keeper.wait_line("event=audit_retired .*reason=count")
    # A keeper that starts again goes on with what is left.
    rig.keeper.stop()
    rig.start_keeper()
    rig.wait_ready()
    work(rig, 5)
    rig.stop()
    head = rig.folder / "head.json"
    head.write_text(ctl("head", folder).stdout)
    result = ctl("verify", "--key", identity, "--head", head, folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "were retired; the keys" in result.stdout
    result = ctl("verify", "--key", identity, "--head", old_head, folder)
    assert result.returncode == 2 and "was retired" in result.stdout, result.stdout
    assert ctl("identity", folder).stdout.strip() == identity
    # Without the proof it is as sound as its own first header; with a segment less it is broken.
    proof = folder / "audit-retired.jsonl"
    text = proof.read_bytes()
    proof.unlink()
    assert ctl("verify", folder).returncode == 2
    assert ctl("verify", "--key", identity, folder).returncode == 1
    trail.verify(folder)
    proof.write_bytes(text)
    trail.segments(folder)[0].unlink()
    for proof_too in (True, False):
        if not proof_too:
            proof.unlink()
        result = ctl("verify", folder)
        assert result.returncode == 1, result.stdout
        with pytest.raises(trail.Broken):
            trail.verify(folder)
    pathlib.Path(proof).write_bytes(text)
    for path in trail.segments(folder):
        path.unlink()  # the check at the end has nothing left to look at


def test_retention_by_size(make_rig):
    rig = start(make_rig, keep_bytes=16384)
    work(rig, 60)
    until(lambda: sum(p.stat().st_size for p in trail.segments(rig.audit_folder)) <= 20480)
    assert {r["reason"] for r in rig.records("retired")} == {"size"}
    rig.stop()
    assert ctl("verify", rig.audit_folder).returncode == 2


def test_retention_by_age(make_rig):
    rig = start(make_rig, keep_age=1.0)
    work(rig, 20)

    def aged():
        work(rig, 5)
        return rig.records("retired")

    until(aged, 20, what="a segment of more than a second is retired")
    assert {r["reason"] for r in rig.records("retired")} == {"age"}
    rig.stop()
    assert ctl("verify", rig.audit_folder).returncode == 2
