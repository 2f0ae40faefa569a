"""The contestants: how each is built and started."""

import shutil
import subprocess
import sys
from ctypes.util import find_library
from dataclasses import dataclass, field
from pathlib import Path

from .machine import BENCHES, LOAD_CORE, ROOT, SERVER_CORE, say

RUST = BENCHES / "peers/rust"
NODE = BENCHES / "peers/node"
DJANGO = BENCHES / "peers/django"
STATEFUL = BENCHES / "servers/stateful"
AXUM = BENCHES / "servers/axum"


@dataclass(frozen=True)
class Contestant:
    """A server. Its command contains the placeholders `{addr}`, `{port}` and `{redis}`."""

    name: str
    label: str
    needs: str
    command: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    cores: tuple[int, ...] = (SERVER_CORE,)
    """The number of its processes. A single process runs on all `cores`; several take one of them each, in turn."""
    processes: int = 1
    redis: bool = False
    load: tuple[str, ...] = ()
    """Additional arguments for the load generator."""
    preload: str = ""
    """A library that replaces libc's allocator by `LD_PRELOAD`. Without it on the machine, the contestant is left out."""
    slow: bool = False
    """Whether a delivery takes hundreds of microseconds: it gets longer windows, fewer rounds and fewer connections."""

    @property
    def ours(self) -> bool:
        return self.name.startswith("ours")

    def environment(self, places: dict[str, str]) -> dict[str, str]:
        filled = {name: value.format(**places) for name, value in self.env.items()}
        return filled | ({"LD_PRELOAD": find_library(self.preload)} if self.preload else {})


_CHAT = (str(ROOT / "target/release/examples/chat"), "--addr", "{addr}", "--layer")
_OURS = "ours"


def _rust(name: str, label: str, *arguments: str, load: tuple[str, ...] = ()) -> Contestant:
    binary = str(RUST / "target/release" / name.removesuffix("-batch"))
    return Contestant(name, label, "rust", (binary, "--addr", "{addr}", *arguments), load=load)


def _django(layer: str) -> Contestant:
    command = (str(DJANGO / ".venv/bin/uvicorn"), "asgi:application", "--host", "127.0.0.1", "--port", "{port}",
               "--log-level", "warning", "--backlog", "4096")
    env = {"LAYER": layer, "REDIS_URL": "{redis}"}
    return Contestant(f"django-{layer}", f"Django on uvicorn, {layer} layer", "django", command, env, DJANGO,
                      redis=layer != "memory", slow=True)


ALL = {
    contestant.name: contestant
    for contestant in (
        Contestant("ours", "**ours**, `examples/chat`", _OURS, (*_CHAT, "memory")),
        Contestant("ours-stateful", "ours, handler with `&mut self`", "stateful",
                   (str(STATEFUL / "target/release/stateful"), "--addr", "{addr}")),
        Contestant("ours-axum", "ours, in axum on axum's server", "ours-axum",
                   (str(AXUM / "target/release/axum-chat"), "--addr", "{addr}")),
        Contestant("ours-jemalloc", "ours, jemalloc instead of glibc's allocator", _OURS, (*_CHAT, "memory"),
                   preload="jemalloc"),
        Contestant("ours-2w", "ours, two workers on two cores", _OURS, (*_CHAT, "memory"),
                   {"TOKIO_WORKER_THREADS": "2"}, cores=(SERVER_CORE, LOAD_CORE)),
        Contestant("ours-4w", "ours, four workers on two cores", _OURS, (*_CHAT, "memory"),
                   {"TOKIO_WORKER_THREADS": "4"}, cores=(SERVER_CORE, LOAD_CORE)),
        Contestant("ours-pubsub", "ours, pub/sub over Redis", _OURS, (*_CHAT, "pubsub", "--redis", "{redis}"),
                   redis=True),
        Contestant("ours-pubsub-2p", "ours, pub/sub over Redis, two processes", _OURS,
                   (*_CHAT, "pubsub", "--redis", "{redis}"), processes=2, redis=True),
        Contestant("ours-core", "ours, core over Redis", _OURS, (*_CHAT, "core", "--redis", "{redis}"), redis=True),
        Contestant("ours-standing", "ours, next to many groups", _OURS, (*_CHAT, "memory"),
                   load=("--standing", "{standing}")),
        _rust("floor", "floor: bare epoll, one write per delivery"),
        _rust("floor-batch", "floor, joining pending writes", "--batch"),
        Contestant("bun", "Bun, `server.publish`", "node", (str(NODE / "node_modules/.bin/bun"), "bun.js", "--addr", "{addr}"),
                   cwd=NODE),
        _rust("warp", "hand-written warp"),
        _rust("warp-tuned", "tuned warp"),
        _rust("axum", "hand-written axum"),
        _rust("socketioxide", "socketioxide", load=("--dialect", "socket-io")),
        Contestant("node-ws", "Node, `ws`", "node", ("node", "ws.js", "--addr", "{addr}"), cwd=NODE),
        _django("memory"),
        _django("core"),
        _django("pubsub"),
    )
}


def _run(*command: str, cwd: Path) -> bool:
    say(" ".join(Path(part).name if part.startswith("/") else part for part in command) + f"  (in {cwd.relative_to(ROOT) or '.'})")
    return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode == 0


def _node() -> bool:
    if not shutil.which("npm") or not shutil.which("node"):
        say("node or npm is not installed")
        return False
    installed = NODE / "node_modules"
    if all((installed / name).exists() for name in ("ws", ".bin/bun")):
        return True
    say("installing ws and bun into benches/peers/node/node_modules")
    return _run("npm", "install", "--no-audit", "--no-fund", cwd=NODE)


def _python() -> bool:
    if (DJANGO / ".venv/bin/uvicorn").exists():
        return True
    say("installing Django, channels and uvicorn into benches/peers/django/.venv")
    return _run(sys.executable, "-m", "venv", ".venv", cwd=DJANGO) and _run(
        str(DJANGO / ".venv/bin/pip"), "install", "--quiet", "-r", "requirements.txt", cwd=DJANGO)


_BUILDERS = {
    "ours": lambda: _run("cargo", "build", "--release", "--example", "chat", cwd=ROOT),
    "stateful": lambda: _run("cargo", "build", "--release", cwd=STATEFUL),
    "ours-axum": lambda: _run("cargo", "build", "--release", cwd=AXUM),
    "history": lambda: _run("cargo", "build", "--release", cwd=BENCHES / "servers/history"),
    "rust": lambda: _run("cargo", "build", "--release", cwd=RUST),
    "node": _node,
    "django": _python,
}


def build(names: list[str]) -> list[str]:
    """Builds the load generator and the contestants, one after the other. Returns the contestants that can play."""
    if not _run("cargo", "build", "--release", cwd=BENCHES / "load"):
        raise SystemExit("benches/run: cannot build the load generator")
    built = {need: _BUILDERS[need]() for need in dict.fromkeys(ALL[name].needs for name in names)}
    redis = shutil.which("redis-server") is not None
    if not redis:
        say("redis-server is not installed")
    left_out = [name for name in names if not built[ALL[name].needs] or (ALL[name].redis and not redis)
                or (ALL[name].preload and not find_library(ALL[name].preload))]
    for name in left_out:
        say(f"LEFT OUT: {name}")
    return [name for name in names if name not in left_out]
