"""Compares this checkout with an earlier build of `examples/chat`, and compression on with off, in alternating plays."""

import shlex
from dataclasses import replace

from . import contestants, machine, rounds, scenarios
from .goals import absolute, paired
from .report import spread, table

SCENARIOS = ("fan8", "fan1", "rooms", "echo", "idle")
METRICS = {"idle": ("rss_per_connection", "bytes per connection")}
SERVER_CPU = ("server_us", "server CPU per delivery")


def run(options) -> str:
    """Plays every scenario with both builds and returns the table of the ratios, after / before."""
    ours = contestants.ALL["ours"]
    label = f"ours, {shlex.quote(options.before)}"
    before = replace(ours, name="ours-before", label=label, command=(options.before, *ours.command[1:]))
    return _compare((before, "before"), (ours, "after"), options)


def compression(options) -> str:
    """Plays every scenario without compression, and with clients that have negotiated it. Returns the ratios, on / off."""
    ours = contestants.ALL["ours"]
    on = replace(ours, name="ours-deflate", label="ours, compression on", command=(*ours.command, "--compress"),
                 load=("--dialect", "deflate"))
    return _compare((ours, "off"), (on, "on"), options)


def _compare(first, second, options) -> str:
    """Plays two contestants, each with the word for its column, and returns the table of the ratios, second / first."""
    (one, one_word), (other, other_word) = first, second
    pair = (one.name, other.name)
    for contestant in (one, other):
        contestants.ALL[contestant.name] = contestant
    names = [name for name in options.scenarios if name in SCENARIOS]
    for name in names:
        scenarios.ALL[name] = replace(scenarios.ALL[name], peers=pair, few=False)
    machine.prepare()
    if len(contestants.build(list(pair))) < len(pair):
        raise SystemExit("benches/run: cannot build examples/chat")
    rows = []
    try:
        for scenario, played in rounds.all_rounds(names, pair, options):
            key, label = METRICS.get(scenario.name, SERVER_CPU)
            values = (spread(absolute(played, peer, key)) for peer in pair)
            rows.append([scenario.name, label, *values, spread(paired(played, other.name, one.name, key))])
    finally:
        machine.stop_all()
    return "\n".join(table(["scenario", "metric", one_word, other_word, f"{other_word} / {one_word}"], rows))
