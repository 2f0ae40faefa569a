"""Profiles our server in a scenario with `perf`."""

import dataclasses
import shutil
import subprocess
from argparse import Namespace

from . import contestants, machine, rounds, scenarios
from .machine import LOAD_CORE, WORK, say

SCENARIOS = {
    "fan8": ("ours", "ours-stateful", "ours-2w", "ours-pubsub"),
    "fan1": ("ours", "ours-stateful"),
    "rooms": ("ours",),
    "echo": ("ours",),
    "growth": ("ours",),
}
"""The contestants to profile in each scenario. In `growth`, the first size (ten members) is recorded."""
_START = 1.5
"""Seconds until all members have joined and the traffic runs."""
_LENGTH = 2.0


def profile(name: str, peer: str, options: Namespace) -> dict | None:
    """Plays `name` once more with `perf record` on the server of `peer`, and returns the most expensive symbols."""
    if not shutil.which("perf"):
        say("perf is not installed, so there is no profile")
        return None
    data = WORK / "perf.data"
    data.unlink(missing_ok=True)
    recording = []

    def record(servers: list[subprocess.Popen]) -> None:
        perf = ["perf", "record", "-q", "-F", "997", "-D", str(int(_START * 1000)), "-o", str(data), "-p",
                str(servers[0].pid), "--", "sleep", str(_START + _LENGTH)]
        recording.append(machine.start(perf, [LOAD_CORE], log="perf"))

    scenario = dataclasses.replace(scenarios.ALL[name], stretch=1.0)
    longer = Namespace(**{**vars(options), "seconds": _START + _LENGTH + 0.5})
    with rounds.Redis() as redis:
        report = rounds.play(scenario, contestants.ALL[peer], redis, longer, record)
    for perf in recording:
        try:
            perf.wait(20)
        except subprocess.TimeoutExpired:
            machine.stop(perf)
    if "error" in report or not data.exists():
        say(f"no profile of {name}, {peer}: {report.get('error', 'perf recorded nothing')}")
        return None
    shown = subprocess.run(
        ["perf", "report", "-i", str(data), "--stdio", "--no-children", "-g", "none", "-F", "overhead,sym",
         "--percent-limit", "0"], capture_output=True, text=True, timeout=60, check=False)
    lines = [line.rstrip() for line in shown.stdout.split("\n") if line.strip() and not line.startswith("#")]
    share = {kind: sum(float(line.split("%")[0]) for line in lines if f"[{kind}]" in line) for kind in "k."}
    note = f"{contestants.ALL[peer].label}: `perf record` for {_LENGTH:g} s of the traffic; symbols above 1 %. "
    if share["k"]:
        note += f"The kernel has {share['k']:.0f} %, the server itself {share['.']:.0f} %."
    else:
        user = report["server_user_us"] / report["server_us"] * 100 if report.get("server_us") else 0
        note += (f"`perf` may not read the kernel's symbols on this machine. So the list covers only user time, which was "
                 f"{user:.0f} % of the CPU time; the rest is kernel time.")
    lines = [line for line in lines if float(line.split("%")[0]) >= 1]
    return {"note": note, "lines": lines[:30]}
