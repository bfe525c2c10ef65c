"""What processes used, told by /proc, and what the disk of a folder takes to make data durable.

CPU time is that of all threads of all given processes, from /proc/PID/task/*/schedstat (nanoseconds;
a running thread's is brought up to date when it next sleeps, so read it when all is quiet), or from
/proc/PID/stat (clock ticks) on a kernel without the former. Kernel threads that write back or complete
disk writes are nobody's and not counted.
"""
import ctypes
import mmap
import os
import pathlib
import platform
import resource
import signal
import statistics
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
PROC = pathlib.Path("/proc")


class Failed(Exception):
    """A contestant, the upstream or the load couldn't be run: the message says why."""


def until(condition, what, seconds=10.0):
    """Polls what has no event of its own; returns its first true value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("%s: not within %g s" % (what, seconds))
        time.sleep(0.01)


def spawn(command, core, log, **more):
    """A process on that core (None: any), whose words go to the file; it ends when we do."""
    libc = ctypes.CDLL(None)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536

    def before():
        libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        if core is not None:
            os.sched_setaffinity(0, {core})

    with open(log, "ab") as out:
        more = {"stdout": out, "stderr": out, **more}
        return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                start_new_session=True, preexec_fn=before, **more)


def end(process, seconds=15.0):
    """SIGTERM, then SIGKILL; the exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            for pid in reversed(tree(process.pid)):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.wait()
    return process.returncode


def _stat(pid):
    """(name, fields from the state on) of /proc/PID/stat."""
    text = (PROC / str(pid) / "stat").read_text()
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()


def tree(root):
    """The process and all that descend from it, parents first."""
    children = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(_stat(entry.name)[1][1]), []).append(int(entry.name))
            except (OSError, IndexError):
                pass  # it ended meanwhile
    found = [root]
    for pid in found:
        found += sorted(children.get(pid, []))
    return found


def _precise(pid):
    """Nanoseconds of a process's threads, or None."""
    total = 0
    try:
        for task in (PROC / str(pid) / "task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except OSError:
        return None
    return total or None


class Cpu:
    """Microseconds of CPU by process name: all, user and system, of a tree at one moment."""

    def __init__(self, root):
        self.by_name, self.user, self.system = {}, 0.0, 0.0
        for pid in tree(root):
            try:
                name, stat = _stat(pid)
            except OSError:
                continue
            # utime, stime and those of children that ended
            user, system, gone_user, gone_system = (int(t) / TICK * 1e6 for t in stat[11:15])
            precise = _precise(pid)
            own = precise / 1000 if precise is not None else user + system
            self.by_name[name] = self.by_name.get(name, 0.0) + own + gone_user + gone_system
            self.user += user + gone_user
            self.system += system + gone_system

    @property
    def total(self):
        return sum(self.by_name.values())


def core_us(core):
    """Microseconds that a core (None: all) has been busy with anything, stolen ones included."""
    for line in (PROC / "stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == ("cpu" if core is None else "cpu%d" % core):
            # user, nice, system, then not idle and iowait, irq, softirq, steal
            return sum(int(t) for t in ticks[:3] + ticks[5:8]) / TICK * 1e6
    return 0.0


def quiet(root, seconds=5.0):
    """Waits until the tree has used no more CPU for a twentieth of a second; what it used."""
    end_at = time.monotonic() + seconds
    last = Cpu(root)
    while time.monotonic() < end_at:
        time.sleep(0.05)
        now = Cpu(root)
        if now.total - last.total < 200:
            return now
        last = now
    return last


def _status(pid, name):
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def memory_kb(root, name="VmHWM"):
    """The sum over the tree; pages that its processes share are counted in each."""
    total = 0
    for pid in tree(root):
        try:
            total += _status(pid, name)
        except OSError:
            pass
    return total


def names(root):
    """{pid: name} of the tree."""
    return {pid: _stat(pid)[0] for pid in tree(root)}


def memory_by_name(root, name="VmRSS"):
    told = {}
    for pid, who in names(root).items():
        told[who] = told.get(who, 0) + _status(pid, name)
    return told


def reset_peak(root):
    """Lets VmHWM begin again at what is resident now, where that is allowed."""
    for pid in tree(root):
        try:
            (PROC / str(pid) / "clear_refs").write_text("5")
        except OSError:
            pass


# -- the machine

def file_system(folder):
    best = ("", "?")
    for line in (PROC / "mounts").read_text().splitlines():
        where, kind = line.split()[1:3]
        inside = os.path.realpath(folder) + "/"
        if inside.startswith(where.rstrip("/") + "/") and len(where) >= len(best[0]):
            best = (where, kind)
    return best[1]


DISK_PAUSE = 0.0003  # seconds between two, about what a caller leaves that waits for each answer


def _buffered(file, block, at):
    os.pwrite(file, block, at)
    os.fdatasync(file)


def _direct(file, block, at):
    os.pwritev(file, [block], at, os.RWF_DSYNC)


def disk(folder, count=300):
    """Median microseconds until 4 KiB are durable: appended, over written blocks, and over written blocks past
    the page cache, which costs the block and the disk's flush and nothing else (None: not on this file system).
    By turns, so that what else the disk does is in all."""
    block = mmap.mmap(-1, 4096)  # aligned
    block.write(os.urandom(4096))
    kinds = [["appended", 0, _buffered], ["overwritten", 0, _buffered], ["direct", os.O_DIRECT, _direct]]
    files, times = {}, {}
    try:
        for name, flags, write in kinds:
            path = pathlib.Path(folder) / ("disk." + name)
            with path.open("xb") as file:
                file.write(b"" if name == "appended" else os.urandom(4096 * count))
                os.fsync(file.fileno())
            try:
                files[name] = (os.open(path, os.O_RDWR | flags), write)
                write(files[name][0], block, 0)
            except OSError:
                if name in files:
                    os.close(files.pop(name)[0])
        for i in range(count):
            for name, (file, write) in files.items():
                time.sleep(DISK_PAUSE)
                began = time.perf_counter()
                write(file, block, i * 4096)
                times.setdefault(name, []).append((time.perf_counter() - began) * 1e6)
    finally:
        for file, _write in files.values():
            os.close(file)
        for name, _flags, _write in kinds:
            (pathlib.Path(folder) / ("disk." + name)).unlink(missing_ok=True)
    return tuple(statistics.median(times[name]) if name in times else None for name, _f, _w in kinds)


def cpu_model():
    names = dict(line.split(":", 1) for line in (PROC / "cpuinfo").read_text().split("\n\n")[0]
                 .splitlines() if ":" in line)
    names = {key.strip(): value.strip() for key, value in names.items()}
    name = names.get("model name") or names.get("Model") or platform.machine()
    if name.isdigit():  # a virtual machine that hides it
        name = "%s family %s model %s" % tuple(
            names.get(key, "?") for key in ("vendor_id", "cpu family", "model"))
    return name


def machine(folder):
    appended, overwritten, direct = disk(folder)
    return ("%s, %d cores, Linux %s; fdatasync of 4 KiB on %s: %.0f us appended, %.0f us overwritten; O_DIRECT over "
            "written blocks: %s; load average %.1f at the start" % (
                cpu_model(), os.cpu_count(), platform.release(), file_system(folder), appended,
                overwritten, "not possible" if direct is None else "%.0f us" % direct, os.getloadavg()[0]))
