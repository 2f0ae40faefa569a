"""One play of one contestant, and the rounds of all contestants."""

import json
import subprocess
import time

from . import contestants, machine, scenarios
from .machine import BENCHES, LOAD_CORE, SERVER_CORE, say

LOAD = BENCHES / "load/target/release/load"
FOREIGN = 0.15
"""If other processes use more than this share of a core during a play, the play is repeated."""
TRIES = 3


class Redis:
    """A separate Redis, started for the first contestant that needs one, on the load generator's core."""

    def __init__(self):
        self.port = None
        self.child = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child:
            machine.stop(self.child)

    def url(self) -> str:
        if self.child is None:
            self.port = machine.free_port()
            command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
            self.child = machine.start(command, [LOAD_CORE], cwd=machine.WORK, log="redis")
            machine.wait_for_port(self.port, self.child)
        return f"redis://127.0.0.1:{self.port}/0"


def _serve(contestant: contestants.Contestant, redis: Redis) -> tuple[list[subprocess.Popen], list[str]]:
    servers, addresses = [], []
    url = redis.url() if contestant.redis else ""
    for number in range(contestant.processes):
        port = machine.free_port()
        places = {"addr": f"127.0.0.1:{port}", "port": port, "redis": url}
        cores = contestant.cores if contestant.processes == 1 else [contestant.cores[number % len(contestant.cores)]]
        server = machine.start(
            [part.format(**places) for part in contestant.command], list(cores), cwd=contestant.cwd,
            env=contestant.environment(places), log=f"server-{number}",
        )
        servers.append(server)
        addresses.append(places["addr"])
        machine.wait_for_port(port, server)
    return servers, addresses


def _arguments(scenario: scenarios.Scenario, contestant: contestants.Contestant, options) -> list[str]:
    seconds = options.seconds * scenario.stretch * (2 if contestant.slow else 1)
    warm_up = min(seconds, 2.0 if contestant.slow else 0.5)
    # The files that the load generator itself needs, and those that our server reserves.
    room_for = machine.open_files() - 3_500
    arguments = [scenario.name, "--seconds", str(seconds), "--warm-up", str(warm_up)]
    arguments += scenario.load
    arguments += [part.format(standing=max(1, min(100_000, room_for))) for part in contestant.load]
    members = options.members
    match scenario.name:
        case "idle":
            arguments += ["--rooms", str(min(200 if contestant.slow else 1_000, max(1, room_for // 10), members))]
        case "growth":
            sizes = [size for size in (10, 100, 1_000, 10_000) if size <= min(room_for, 10 * members)]
            arguments += ["--sizes", ",".join(map(str, sizes or [10]))]
        case "fair":
            arguments += ["--members", str(min(10_000, room_for, 10 * members))]
        case "fan8" | "fan1" | "paced" | "slow":
            arguments += ["--members", str(members)]
        case "rooms" | "echo":
            arguments += ["--rooms", str(max(1, members // 10))]
        case "connect":
            arguments += ["--rooms", str(max(1, members // 5))]
    return arguments


def play(scenario: scenarios.Scenario, contestant: contestants.Contestant, redis: Redis, options, on_start=None) -> dict:
    """Starts a fresh server, plays, and stops it. Returns the report, or `{"error": ...}`.

    `on_start` is called with the servers' processes before the play begins.
    """
    quiet = machine.wait_until_quiet(options.quiet)
    if scenario.alone:
        return _alone(scenario) | {"quiet": quiet}
    servers = []
    try:
        servers, addresses = _serve(contestant, redis)
        if on_start:
            on_start(servers)
        command = ["taskset", "-c", machine.cores([LOAD_CORE]), str(LOAD), *_arguments(scenario, contestant, options)]
        for address, server in zip(addresses, servers):
            command += ["--addr", address, "--pid", str(server.pid)]
        if contestant.redis:
            command += ["--side-pid", str(redis.child.pid)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        report = json.loads(done.stdout) if done.stdout else {"error": done.stderr.strip()[-300:]}
    except (RuntimeError, subprocess.TimeoutExpired, json.JSONDecodeError, OSError) as error:
        report = {"error": str(error).replace(str(machine.ROOT), ".")}
    finally:
        for server in servers:
            machine.stop(server)
    report["quiet"] = quiet
    return report


def _alone(scenario: scenarios.Scenario) -> dict:
    program = contestants.STATEFUL / "target/release" / scenario.alone
    try:
        done = subprocess.run(["taskset", "-c", machine.cores([SERVER_CORE]), str(program)], capture_output=True, text=True,
                              timeout=300, check=True)
        return json.loads(done.stdout)
    except (subprocess.SubprocessError, json.JSONDecodeError, OSError) as error:
        return {"error": str(error).replace(str(machine.ROOT), ".")}


def _foreign(report: dict) -> float:
    return max([report.get("foreign_cores", 0.0), *(size["foreign_cores"] for size in report.get("sizes", []))])


def all_rounds(names: list[str], peers: list[str], options):
    """Plays every scenario of `names`. In each round every contestant plays once, and each round begins with the next one.

    Yields `(scenario, rounds)`, where a round is `{contestant: report}`.
    """
    with Redis() as redis:
        for name in names:
            scenario = scenarios.ALL[name]
            playing = [peer for peer in scenario.peers if peer in peers]
            rounds = []
            for number in range(options.few if scenario.few else options.rounds):
                this_round = {}
                turn = number % max(1, len(playing))
                for peer in playing[turn:] + playing[:turn]:
                    contestant = contestants.ALL[peer]
                    if contestant.slow and number >= options.few:
                        continue
                    began = time.monotonic()
                    for attempt in range(TRIES):
                        report = play(scenario, contestant, redis, options)
                        report["attempt"] = attempt + 1
                        if "error" not in report and _foreign(report) <= FOREIGN:
                            break
                        why = report.get("error") or f"{_foreign(report):.2f} of a core was used by other processes"
                        say(f"{name} {peer}: {why}" + (", trying again" if attempt + 1 < TRIES else ", keeping this play"))
                    this_round[peer] = report
                    say(f"{name}, round {number + 1}, {peer}: {_brief(report)}  ({time.monotonic() - began:.1f} s)")
                rounds.append(this_round)
            yield scenario, rounds


def _brief(report: dict) -> str:
    if "error" in report:
        return "FAILED"
    if "sizes" in report:
        return " ".join(f"{size['members']}: {size['server_us'] or 0:.2f} us" for size in report["sizes"])
    if "standing_sizes" in report:
        return " ".join(f"{size['standing']}: {size['join_ns']:.0f} + {size['leave_ns']:.0f} ns" for size in report["standing_sizes"])
    parts = []
    for key, unit in (("server_us", "us"), ("p99_ms", "ms p99"), ("rss_per_connection", "bytes each"),
                      ("connects_per_s", "connects/s"), ("connect_cpu_us", "us per connect")):
        if report.get(key) is not None:
            parts.append(f"{report[key]:,.2f} {unit}")
    return ", ".join(parts) + ("" if report.get("clean") else "  NOT CLEAN")
