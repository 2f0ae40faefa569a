"""Writes RESULTS.md from the measurements."""

from statistics import median

from . import contestants, scenarios
from .goals import GOALS, Goal, Spread, absolute, faults, paired, take

TRAFFIC = ("fan8", "fan1", "rooms", "echo", "paced")


def number(value: float | None) -> str:
    if value is None:
        return "–"
    if value != 0 and abs(value) < 0.1:
        return f"{value:.4f}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"


def spread(seen: Spread | None) -> str:
    if seen is None:
        return "–"
    if seen.count == 1:
        return number(seen.middle)
    return f"{number(seen.middle)} [{number(seen.low)}–{number(seen.high)}]"


def of_goal(goal: Goal, seen: Spread | None) -> str:
    """Formats the spread like its goal: as a fraction (1/40) if the goal is a fraction."""
    if seen is None or not goal.limit_text.startswith("1/"):
        return spread(seen)
    part = lambda value: f"1/{1 / value:,.0f}"
    return part(seen.middle) if seen.count == 1 else f"{part(seen.middle)} [{part(seen.low)}–{part(seen.high)}]"


def middle(rounds, peer: str, key) -> str:
    seen = absolute(rounds, peer, key)
    return number(seen.middle if seen else None)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    align = ["---", *["--:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (head, align, *rows)] + [""]


def books(rounds, peer: str) -> str:
    wrong = faults(rounds, peer)
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in wrong.items()) or "clean"


def label(peer: str) -> str:
    return contestants.ALL[peer].label


def played(rounds) -> list[str]:
    """The contestants that played, in the order of their list."""
    seen = {peer for one in rounds for peer in one}
    return [peer for peer in contestants.ALL if peer in seen]


def goal_rows(results: dict) -> list[tuple[Goal, Spread | None]]:
    rows = []
    for goal in GOALS:
        entry = results["scenarios"].get(goal.scenario)
        rows.append((goal, goal.measure(entry["rounds"]) if entry else None))
    return rows


def _goals(results: dict) -> list[str]:
    rows = goal_rows(results)
    lines = ["## Goals", ""]
    lines += table(
        ["scenario", "metric", "goal", "measured [lowest–highest]", "rounds", "verdict"],
        [[goal.scenario, goal.what, goal.goal(), of_goal(goal, seen), str(seen.count if seen else 0), goal.verdict(seen)]
         for goal, seen in rows],
    )
    ours = [peer for peer in contestants.ALL.values() if peer.ours]
    wrong = {
        f"{peer.name} in {name}": books(entry["rounds"], peer.name)
        for name, entry in results["scenarios"].items() for peer in ours if faults(entry["rounds"], peer.name)
    }
    plays = sum(1 for name, entry in results["scenarios"].items() for one in entry["rounds"] for peer in one
                if contestants.ALL[peer].ours and not scenarios.ALL[name].alone)
    if wrong:
        lines += ["**Our delivery checks are not clean:** " + "; ".join(f"{where}: {what}" for where, what in wrong.items()) + ".", ""]
    elif plays:
        lines += [f"In our {plays} plays, no delivery was lost, doubled, reordered, or in the wrong room.", ""]
    missed = [(goal, seen) for goal, seen in rows if seen and not goal.met(seen)]
    absent = [goal for goal, seen in rows if seen is None]
    lines += ["## Missed goals", ""]
    lines += [f"- {goal.scenario}, {goal.what}: {of_goal(goal, seen)}; the goal is {goal.goal()}: {goal.verdict(seen)}."
              for goal, seen in missed]
    if absent:
        lines += [f"- {len(absent)} of the {len(rows)} goals were not measured, and have no verdict."]
    return lines + ([] if missed or absent else ["All goals were met."]) + [""]


def _traffic(name: str, rounds) -> list[str]:
    head = ["", "server CPU, µs per delivery", "of that user", "× Bun", "× floor", "deliveries/s", "p50 ms", "p99 ms",
            "max ms", "deliveries per read", "delivery check"]
    rows = []
    for peer in played(rounds):
        cost = spread(absolute(rounds, peer, "server_us"))
        if contestants.ALL[peer].redis:
            cost += f", Redis {middle(rounds, peer, 'side_us')}"
        rows.append([
            label(peer), cost, middle(rounds, peer, "server_user_us"), spread(paired(rounds, peer, "bun", "server_us")),
            spread(paired(rounds, peer, "floor", "server_us")), middle(rounds, peer, "deliveries_per_s"),
            middle(rounds, peer, "p50_ms"), middle(rounds, peer, "p99_ms"), middle(rounds, peer, "max_ms"),
            middle(rounds, peer, "joined"), books(rounds, peer),
        ])
    lines = table(head, rows)
    if name == "fan8" and (seen := paired(rounds, "ours-pubsub-2p", "ours-pubsub", "deliveries_per_s")):
        lines += [
            f"In the same time, two processes over Redis delivered {spread(seen)} times as much as one process. They share the one core "
            "that the load generator and Redis leave for servers, so the goal above is judged by CPU.", "",
        ]
    return lines


def _idle(rounds) -> list[str]:
    mib = lambda key: lambda report: report[key] / 1024 / 1024
    return table(
        ["", "connections", "RSS bytes each", "after a message to each", "RSS empty, MiB", "full, MiB",
         "after all closed, MiB", "connects/s", "CPU µs per connect", "idle CPU, %", "delivery check"],
        [[label(peer), middle(rounds, peer, "connections"), spread(absolute(rounds, peer, "rss_per_connection")),
          middle(rounds, peer, "rss_per_connection_touched"), middle(rounds, peer, mib("rss_before")),
          middle(rounds, peer, mib("rss_full")), middle(rounds, peer, mib("rss_after_close")),
          middle(rounds, peer, "connects_per_s"), middle(rounds, peer, "connect_cpu_us"),
          middle(rounds, peer, "idle_cpu_percent"), books(rounds, peer)] for peer in played(rounds)],
    )


def _connect(rounds) -> list[str]:
    return table(
        ["", "idle connections", "handshakes/s", "× warp", "CPU µs to connect", "× warp", "CPU µs to close", "delivery check"],
        [[label(peer), middle(rounds, peer, "standing"), spread(absolute(rounds, peer, "connects_per_s")),
          spread(paired(rounds, peer, "warp", "connects_per_s")), spread(absolute(rounds, peer, "connect_cpu_us")),
          spread(paired(rounds, peer, "warp", "connect_cpu_us")), middle(rounds, peer, "close_cpu_us"),
          books(rounds, peer)] for peer in played(rounds)],
    )


def _growth(rounds) -> list[str]:
    sizes = sorted({size["members"] for one in rounds for report in one.values() for size in report.get("sizes", [])})
    of = lambda members: lambda report: next(s["server_us"] for s in report["sizes"] if s["members"] == members)
    return table(
        ["server CPU, µs per delivery", *(f"{members:,} members" for members in sizes), "delivery check"],
        [[label(peer), *(spread(absolute(rounds, peer, of(members))) for members in sizes), books(rounds, peer)]
         for peer in played(rounds)],
    )


def _fair(rounds) -> list[str]:
    of = lambda part, key: lambda report: report[part][key]
    return table(
        ["", "small rooms alone: p50 ms", "alone: p99 ms", "next to the big room: p50 ms", "next to it: p99 ms", "next to it: max ms",
         "big room: deliveries/s", "big room: p50 ms", "big room: p99 ms", "delivery check"],
        [[label(peer), *(middle(rounds, peer, of("alone", key)) for key in ("p50_ms", "p99_ms")),
          *(middle(rounds, peer, of("small", key)) for key in ("p50_ms", "p99_ms", "max_ms")),
          *(middle(rounds, peer, of("big", key)) for key in ("deliveries_per_s", "p50_ms", "p99_ms")),
          books(rounds, peer)] for peer in played(rounds)],
    )


def _slow(rounds) -> list[str]:
    before = lambda key: lambda report: report["before"][key]
    got = lambda report: sum(report["slow_received"]) / report["slow_sent"]
    return table(
        ["", "p99 ms while all read", "p99 ms of the others", "deliveries/s while all read", "deliveries/s afterwards",
         "RSS growth, KiB", "share received by the slow member", "slow member closed", "delivery check"],
        [[label(peer), middle(rounds, peer, before("p99_ms")), middle(rounds, peer, "p99_ms"),
          middle(rounds, peer, before("deliveries_per_s")), middle(rounds, peer, "deliveries_per_s"),
          middle(rounds, peer, lambda report: report["rss_growth"] / 1024), middle(rounds, peer, got),
          middle(rounds, peer, "slow_cut"), books(rounds, peer)] for peer in played(rounds)],
    )


def _groups(rounds) -> list[str]:
    sizes = [size["standing"] for size in next((r["standing_sizes"] for one in rounds for r in one.values() if "standing_sizes" in r), [])]
    of = lambda place, key: lambda report: report["standing_sizes"][place][key]
    return table(
        ["nanoseconds", *(f"next to {size:,} groups" for size in sizes)],
        [[what, *(spread(absolute(rounds, "ours-stateful", of(place, key))) for place in range(len(sizes)))]
         for what, key in (("join", "join_ns"), ("leave", "leave_ns"))],
    )


_TABLES = {"groups": _groups, "idle": _idle, "connect": _connect, "growth": _growth, "fair": _fair, "slow": _slow}


def _noise(results: dict) -> list[str]:
    reports = [report for entry in results["scenarios"].values() for one in entry["rounds"] for report in one.values()]
    again = sum(report.get("attempt", 1) - 1 for report in reports)
    noisy = sum(1 for report in reports if "error" not in report and report.get("foreign_cores", 0) > 0.15)
    failed = sum(1 for report in reports if "error" in report)
    return [
        f"These tables contain {len(reports)} plays. {again} plays were discarded and repeated, because other processes used "
        f"more than 15 % of a core at the same time or because the play failed. {noisy} plays were kept although other "
        f"processes still used that much during the third try. {failed} plays failed in every try.", "",
    ]


def write(results: dict) -> str:
    lines = [
        "# Results", "",
        "Written by `benches/run` from `benches/results.json`. [README.md](README.md) describes each metric and its "
        "limitations. A ratio is computed within each round; the tables show the median over the rounds, with "
        "[lowest–highest]. All other results are medians over the rounds.", "",
    ]
    for name in scenarios.ALL:
        if entry := results["scenarios"].get(name):
            if entry["scale"] != 1000:
                lines += [f"**`{name}` was played at a smaller scale ({entry['scale']} of 1,000), so its results do not count.**", ""]
    lines += _goals(results)
    for name, scenario in scenarios.ALL.items():
        if entry := results["scenarios"].get(name):
            rounds = entry["rounds"]
            lines += [f"## `{name}`: {scenario.title}", "",
                      f"{len(rounds)} rounds, windows of {entry['seconds'] * scenario.stretch:g} s "
                      f"({entry['machine']['date']}, commit {entry['machine']['commit']}).", ""]
            lines += _TABLES[name](rounds) if name in _TABLES else _traffic(name, rounds)
            failures = {report["error"] for one in rounds for report in one.values() if "error" in report}
            lines += [f"- failed: {failure}" for failure in sorted(failures)] + ([""] if failures else [])
    for name, profile in results.get("profiles", {}).items():
        lines += [f"## Profile of `{name}`", "", profile["note"], "", "```text", *profile["lines"], "```", ""]
    lines += ["## Machine", ""]
    machines = {tuple(entry["machine"].items()): name for name, entry in results["scenarios"].items()}
    if machines:
        lines += [f"- {key}: {value}" for key, value in list(machines)[-1]] + [""]
    lines += _noise(results)
    return "\n".join(lines).rstrip() + "\n"


def summary(results: dict, name: str) -> dict[str, float]:
    """Returns the median CPU per delivery of each contestant, for the chart."""
    entry = results["scenarios"].get(name)
    key = "rss_per_connection" if name == "idle" else "server_us"
    if not entry:
        return {}
    rounds = entry["rounds"]
    values = {peer: [take(one.get(peer), key) for one in rounds] for peer in played(rounds)}
    return {peer: median(v for v in seen if v is not None) for peer, seen in values.items() if any(v is not None for v in seen)}
