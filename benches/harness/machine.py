"""The machine: its description, its load, and the processes started on it."""

import atexit
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
WORK = BENCHES / ".work"

SERVER_CORE = 0
LOAD_CORE = 1

_children: list[subprocess.Popen] = []


def say(text: str) -> None:
    print(f"benches/run: {text}", file=sys.stderr, flush=True)


def prepare() -> None:
    """Raises the limit of open files as far as allowed, and ensures that no child outlives this process."""
    WORK.mkdir(exist_ok=True)
    for wanted in (1_048_576, 220_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            break
        except (ValueError, PermissionError, OSError):
            continue
    atexit.register(stop_all)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))


def open_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def cores(wanted: list[int]) -> str:
    """Returns the cores of `wanted` that this process may use, or a single usable core if it may use none of them."""
    allowed = os.sched_getaffinity(0)
    usable = [core for core in wanted if core in allowed] or sorted(allowed)[:1]
    return ",".join(map(str, usable))


def start(command: list[str], on: list[int], *, env: dict[str, str] | None = None, cwd: Path | None = None,
          log: str = "server") -> subprocess.Popen:
    """Starts a process pinned to the given cores. `taskset` executes the command in its own process, so the pid is the
    command's."""
    with open(WORK / f"{log}.log", "wb") as file:
        child = subprocess.Popen(
            ["taskset", "-c", cores(on), *command], env={**os.environ, **(env or {})}, cwd=cwd, stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )
    _children.append(child)
    return child


def stop(child: subprocess.Popen) -> None:
    """Ends a process and its descendants: each child leads a process group of its own."""
    for number, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            pass
        try:
            child.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
    if child in _children:
        _children.remove(child)


def stop_all() -> None:
    for child in list(_children):
        stop(child)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, child: subprocess.Popen, patience: float = 20.0) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if child.poll() is not None:
            raise RuntimeError(f"the server ended with {child.returncode} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the server did not listen within {patience:.0f} s")


def _busy() -> float:
    """Returns the seconds that all cores have spent in processes since boot."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:4]
    return sum(map(int, fields)) / 100


def wait_until_quiet(patience: float, limit: float = 0.10) -> bool:
    """Waits until all other processes use less than `limit` of a core for half a second."""
    end = time.monotonic() + patience
    logged = False
    while True:
        before, began = _busy(), time.monotonic()
        time.sleep(0.5)
        if (_busy() - before) / (time.monotonic() - began) < limit:
            return True
        if time.monotonic() > end:
            say(f"the machine is still busy after {patience:.0f} s; starting anyway")
            return False
        if not logged:
            say("waiting until the machine is idle")
            logged = True


def _first_line(*command: str) -> str:
    if not shutil.which(command[0]) and not Path(command[0]).exists():
        return "not installed"
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT, check=False)
    return (done.stdout or done.stderr).strip().split("\n")[0]


def description() -> dict[str, str]:
    """Describes the machine and the versions used for the measurements."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in info.split("\n") if line.startswith("model name")), "unknown")
    memory = next(line for line in Path("/proc/meminfo").read_text().split("\n") if line.startswith("MemTotal"))
    bun = BENCHES / "peers/node/node_modules/.bin/bun"
    commit = _first_line("git", "rev-parse", "--short", "HEAD")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit + (" with changes" if _first_line("git", "status", "--porcelain", "-uno") else ""),
        "processor": f"{model}, {os.cpu_count()} cores",
        "memory": f"{int(memory.split()[1]) / 1024 / 1024:.0f} GiB",
        "kernel": platform.release(),
        "open files": str(open_files()),
        "rustc": _first_line("rustc", "--version"),
        "bun": _first_line(str(bun), "--version"),
        "node": _first_line("node", "--version"),
        "python": platform.python_version(),
        "redis": " ".join(word[2:] for word in _first_line("redis-server", "--version").split() if word.startswith("v=")),
    }
