"""Rotation under full load: no request fails, the chain stays sound, and what it costs.

CENTION_ROTATION_SECONDS: of load with and without rotation, each.
"""
import os

import pytest

import speed
import trail
from outage import verified

SECONDS = int(os.environ.get("CENTION_ROTATION_SECONDS", "3"))
CONNECTIONS = 64
SLICES = 3


@pytest.mark.skipif(bool(speed.missing()), reason=speed.missing())
def test_rotation_under_full_load(make_rig):
    """Two pairs of daemons take turns, so that a noisy machine treats both alike."""
    with speed.Upstream() as upstream:
        rigs = {"rotating": make_rig(url=upstream.url), "default size": make_rig(url=upstream.url)}
        rigs["rotating"].keeper_settings["audit"]["segment_bytes"] = 65536
        rigs["rotating"].write_conf()
        for rig in rigs.values():
            rig.start()
        seen = {name: [] for name in rigs}
        for _ in range(SLICES):
            for name, rig in rigs.items():
                seen[name].append(speed.load(rig.port, CONNECTIONS, max(1, SECONDS // SLICES)))
    for name, rig in rigs.items():
        rig.stop()
        for each in seen[name]:
            assert each["failed"] == 0 and each["requests"] > CONNECTIONS, each
        segments = len(trail.segments(rig.audit_folder))
        total = sum(each["requests"] for each in seen[name])
        print("\n%s: %d requests, %d segments; p50 %s us, p99 %s us, max %s us" % (
            name, total, segments, *([each[k] for each in seen[name]]
                                     for k in ("p50_us", "p99_us", "max_us"))))
        verified(rig.audit_folder)
        verifier = trail.verify(rig.audit_folder)
        # wrk leaves with requests under way: they are on record, and it has not counted them.
        assert 2 * total <= verifier.seq and not verifier.open
        size = sum(path.stat().st_size for path in trail.segments(rig.audit_folder))
        small = name == "rotating"
        assert segments >= 5 if small else segments <= 1 + size // (64 * 1024 * 1024)
