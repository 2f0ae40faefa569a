"""The command line of `benches/run`."""

import argparse
import json
import time

from . import before, chart, contestants, guide, history, machine, profile, report, rounds, scenarios
from .machine import BENCHES, ROOT, say

RESULTS = BENCHES / "results.json"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benches/run",
        description="Builds everything, plays every contestant in turn, and writes benches/RESULTS.md, the results in the guide, "
                    "and docs/img/benchmark.svg. A play of a scenario replaces its earlier results; others stay.",
    )
    names = lambda known: lambda text: [name for name in _known(text, known)]
    parser.add_argument("--rounds", type=int, default=7, help="rounds of a scenario with close results (default 7)")
    parser.add_argument("--few", type=int, help="rounds of the other scenarios and of Django (default: half, rounded down)")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a measured window (default 1.5)")
    parser.add_argument("--scenarios", type=names(scenarios.ALL), default=list(scenarios.ALL),
                        help="comma-separated: " + ", ".join(scenarios.ALL))
    parser.add_argument("--peers", type=names(contestants.ALL), default=list(contestants.ALL),
                        help="comma-separated: " + ", ".join(contestants.ALL))
    parser.add_argument("--members", type=int, default=1000,
                        help="scales every scenario down; RESULTS.md states this (default 1000: full size)")
    parser.add_argument("--quiet", type=float, default=60.0,
                        help="longest wait, in seconds, for an idle machine before each play (default 60)")
    parser.add_argument("--profile", action="store_true", help="only profile our server in the scenarios, with perf")
    parser.add_argument("--no-write", action="store_true", help="print the report instead of writing it")
    parser.add_argument("--report", action="store_true", help="only write the report from earlier measurements")
    parser.add_argument("--before", metavar="CHAT",
                        help="only compare with this earlier build of examples/chat, in alternating plays; writes nothing")
    parser.add_argument("--history", action="store_true",
                        help="only compare rooms with and without a history, in alternating plays of fan8; writes nothing")
    parser.add_argument("--compression", action="store_true",
                        help="only compare our server with compression and without, in alternating plays; writes nothing")
    options = parser.parse_args()
    if min(options.rounds, options.members) < 1 or options.members < 10 or options.seconds <= 0:
        parser.error("--rounds is at least 1, --members at least 10, and --seconds is positive")
    if options.few is None:
        options.few = max(1, options.rounds // 2)
    options.few = min(options.few, options.rounds)
    return options


def _known(text: str, known) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"unknown name: {name}; use one of {', '.join(known)}")
    return names


def _rounded(value):
    """Rounds to five digits: the measurements are less precise than that, and the file stays readable."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _save(results: dict) -> None:
    # One line for each round of a scenario, so that a diff between two runs is readable.
    scenarios_text = []
    for name, entry in results["scenarios"].items():
        head = {key: value for key, value in entry.items() if key != "rounds"}
        lines = ",\n".join(json.dumps(one) for one in entry["rounds"])
        scenarios_text.append(f"{json.dumps(name)}: {json.dumps(head)[:-1]}, \"rounds\": [\n{lines}\n]}}")
    body = ",\n".join(scenarios_text)
    RESULTS.write_text(f'{{"profiles": {json.dumps(results["profiles"])},\n"scenarios": {{\n{body}\n}}}}\n')


def main() -> int:
    options = _options()
    if options.before:
        print(before.run(options))
        return 0
    if options.compression:
        print(before.compression(options))
        return 0
    if options.history:
        print(history.run(options))
        return 0
    results = {"profiles": {}, "scenarios": {}}
    if RESULTS.exists() and not options.no_write:
        results |= json.loads(RESULTS.read_text())
    if not options.report:
        machine.prepare()
        wanted = [peer for peer in options.peers if any(peer in scenarios.ALL[name].peers for name in options.scenarios)]
        peers = contestants.build(wanted)
        where = machine.description()
        began = time.monotonic()
        try:
            if options.profile:
                wanted = [(name, peer) for name in options.scenarios for peer in profile.SCENARIOS.get(name, ())]
                for name, peer in wanted:
                    if peer in peers and (found := profile.profile(name, peer, options)):
                        results["profiles"][f"{name}, {peer}"] = found
            else:
                for scenario, played in rounds.all_rounds(options.scenarios, peers, options):
                    results["scenarios"][scenario.name] = {
                        "machine": where, "seconds": options.seconds, "scale": options.members, "rounds": _rounded(played),
                    }
                    if not options.no_write:
                        _save(results)
            if not options.no_write:
                _save(results)
        except KeyboardInterrupt:
            say("stopped; the results of finished scenarios are kept")
        finally:
            machine.stop_all()
        say(f"played for {(time.monotonic() - began) / 60:.1f} minutes")
    text = report.write(results)
    if options.no_write:
        print(text)
        return 0
    (BENCHES / "RESULTS.md").write_text(text)
    guide.update(ROOT, text)
    if picture := chart.draw(results):
        target = ROOT / "docs/img/benchmark.svg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(picture)
        say("wrote benches/results.json, benches/RESULTS.md, docs/img/benchmark.svg and the results in the guide")
    return 0
