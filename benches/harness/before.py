"""Compares this checkout with an earlier build of `examples/chat`, in alternating plays."""

import shlex
from dataclasses import replace

from . import contestants, machine, rounds, scenarios
from .goals import absolute, paired
from .report import spread, table

PEER = "ours-before"
SCENARIOS = ("fan8", "fan1", "rooms", "echo", "idle")
METRICS = {"idle": ("rss_per_connection", "bytes per connection")}
SERVER_CPU = ("server_us", "server CPU per delivery")


def run(options) -> str:
    """Plays every scenario with both builds and returns the table of the ratios, after / before."""
    ours = contestants.ALL["ours"]
    before = (options.before, *ours.command[1:])
    contestants.ALL[PEER] = replace(ours, name=PEER, label=f"ours, {shlex.quote(options.before)}", command=before)
    names = [name for name in options.scenarios if name in SCENARIOS]
    for name in names:
        scenarios.ALL[name] = replace(scenarios.ALL[name], peers=("ours", PEER), few=False)
    machine.prepare()
    if "ours" not in contestants.build(["ours"]):
        raise SystemExit("benches/run: cannot build examples/chat")
    rows = []
    try:
        for scenario, played in rounds.all_rounds(names, ["ours", PEER], options):
            key, label = METRICS.get(scenario.name, SERVER_CPU)
            after, before = (absolute(played, peer, key) for peer in ("ours", PEER))
            rows.append([scenario.name, label, spread(before), spread(after), spread(paired(played, "ours", PEER, key))])
    finally:
        machine.stop_all()
    return "\n".join(table(["scenario", "metric", "before", "after", "after / before"], rows))
