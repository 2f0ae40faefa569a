"""Compares rooms with and without a history, in alternating plays of one program."""

from dataclasses import replace

from . import contestants, machine, rounds, scenarios
from .goals import absolute, paired
from .report import spread, table

HISTORY = contestants.BENCHES / "servers/history"
SCENARIO = "fan8"
LAYERS = {"memory": (), "pubsub": ("--redis", "{redis}")}
METRICS = {"server_us": "server CPU per delivery", "side_us": "Redis CPU per delivery"}


def run(options) -> str:
    """Plays both with each layer and returns the table of the ratios, with / without."""
    pairs = {layer: (f"ours-{layer}-plain", f"ours-{layer}-kept") for layer in LAYERS}
    binary = str(HISTORY / "target/release/history-chat")
    for layer, names in pairs.items():
        for name, more in zip(names, ((), ("--history",))):
            command = (binary, "--addr", "{addr}", "--layer", layer, *LAYERS[layer], *more)
            contestants.ALL[name] = contestants.Contestant(name, name, "history", command, redis=layer != "memory")
    peers = [name for names in pairs.values() for name in names]
    scenarios.ALL[SCENARIO] = replace(scenarios.ALL[SCENARIO], peers=tuple(peers), few=False)
    machine.prepare()
    peers = contestants.build(peers)
    rows = []
    try:
        for _, played in rounds.all_rounds([SCENARIO], peers, options):
            for layer, (plain, kept) in pairs.items():
                for key, label in METRICS.items():
                    if key == "side_us" and layer == "memory":
                        continue
                    without, with_history = (absolute(played, peer, key) for peer in (plain, kept))
                    ratio = paired(played, kept, plain, key)
                    rows.append([layer, label, spread(without), spread(with_history), spread(ratio)])
    finally:
        machine.stop_all()
    return "\n".join(table(["layer", "metric", "without", "with a history", "with / without"], rows))
