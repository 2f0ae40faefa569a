"""The goals of this project, and whether they are met."""

from dataclasses import dataclass
from statistics import median
from typing import Callable

Rounds = list[dict[str, dict]]


@dataclass(frozen=True)
class Spread:
    """A median over rounds, with the lowest and the highest value."""

    middle: float
    low: float
    high: float
    count: int

    @staticmethod
    def over(values: list[float]) -> "Spread | None":
        values = [value for value in values if value is not None]
        return Spread(median(values), min(values), max(values), len(values)) if values else None


def take(report: dict | None, key: str | Callable[[dict], float | None]) -> float | None:
    """Returns a value of a report, or `None` if the play failed or does not have that value."""
    if not report or "error" in report:
        return None
    try:
        return key(report) if callable(key) else report.get(key)
    except (KeyError, TypeError, ZeroDivisionError):
        return None


def absolute(rounds: Rounds, peer: str, key) -> Spread | None:
    return Spread.over([take(one.get(peer), key) for one in rounds])


def paired(rounds: Rounds, peer: str, other: str, key, other_key=None) -> Spread | None:
    """The ratio of two contestants, computed within each round: a disturbance of both cancels out."""
    pairs = [(take(one.get(peer), key), take(one.get(other), other_key or key)) for one in rounds]
    return Spread.over([a / b for a, b in pairs if a is not None and b])


def all_costs(report: dict) -> float:
    """The CPU time of server and Redis together."""
    return report["server_us"] + report["side_us"]


def a_cycle(report: dict) -> float:
    """The CPU time of a connection from its first byte to its end."""
    return report["connect_cpu_us"] + report["close_cpu_us"]


def growth(report: dict) -> float:
    costs = [size["server_us"] for size in report["sizes"]]
    return max(costs) / min(costs)


def standing(report: dict) -> float:
    """The ratio of joining and leaving next to the most groups to the same next to the fewest."""
    costs = [size["join_ns"] + size["leave_ns"] for size in report["standing_sizes"]]
    return costs[-1] / costs[0]


@dataclass(frozen=True)
class Goal:
    scenario: str
    what: str
    limit: float
    measure: Callable[[Rounds], Spread | None]
    at_most: bool = True
    limit_text: str = ""

    def goal(self) -> str:
        return ("≤ " if self.at_most else "≥ ") + (self.limit_text or f"{self.limit:,g}")

    def met(self, seen: Spread) -> bool:
        return seen.middle <= self.limit if self.at_most else seen.middle >= self.limit

    def verdict(self, seen: Spread | None) -> str:
        if seen is None:
            return "not measured"
        if self.met(seen):
            return "met"
        return f"**missed by {abs(seen.middle / self.limit - 1) * 100:.0f} %**"


def _ratio(scenario: str, what: str, peer: str, other: str, limit: float, key="server_us", *, at_most=True,
           limit_text="") -> Goal:
    return Goal(scenario, what, limit, lambda rounds: paired(rounds, peer, other, key), at_most, limit_text)


GOALS = (
    _ratio("fan8", "CPU per delivery, × Bun", "ours", "bun", 0.65),
    _ratio("fan1", "CPU per delivery, × floor", "ours", "floor", 1.15),
    _ratio("rooms", "CPU per delivery, × Bun", "ours", "bun", 1.00),
    _ratio("rooms", "p99, × Bun's", "ours", "bun", 1.00, "p99_ms"),
    _ratio("echo", "CPU per round trip, × floor", "ours", "floor", 1.15),
    Goal("idle", "bytes of RSS per connection", 1_500, lambda rounds: absolute(rounds, "ours", "rss_per_connection")),
    _ratio("fan8", "`&mut self`: CPU per delivery, × ours without", "ours-stateful", "ours", 1.25),
    _ratio("fan1", "`&mut self`: CPU per delivery, × ours without", "ours-stateful", "ours", 1.25),
    _ratio("fan8", "two workers: CPU per delivery, × one worker's", "ours-2w", "ours", 1.35),
    _ratio("rooms", "two workers: CPU per delivery, × one worker's", "ours-2w", "ours", 1.35),
    Goal("growth", "CPU per delivery, most expensive size ÷ cheapest size", 1.25, lambda rounds: absolute(rounds, "ours", growth)),
    Goal("groups", "joining and leaving next to 100,000 groups, × next to 10 (a search would cost 10,000 ×)", 4,
         lambda rounds: absolute(rounds, "ours-stateful", standing)),
    _ratio("connect", "CPU of opening and closing a connection next to many groups, × next to none", "ours-standing", "ours", 1.25, a_cycle),
    _ratio("fan8", "pub/sub over Redis: server CPU per delivery, × memory layer", "ours-pubsub", "ours", 1.15),
    Goal("fan8", "pub/sub, two processes: deliveries for the same CPU of each, × one process", 1.8,
         lambda rounds: Spread.over([
             2 * one / two if one and two else None
             for one, two in ((take(r.get("ours-pubsub"), "server_us"), take(r.get("ours-pubsub-2p"), "server_us"))
                              for r in rounds)
         ]), at_most=False),
    _ratio("connect", "handshakes per second, × hand-written warp", "ours", "warp", 1.0, "connects_per_s", at_most=False),
    _ratio("connect", "CPU per connect, × hand-written warp", "ours", "warp", 1.2, "connect_cpu_us"),
    _ratio("fan1", "CPU per delivery, × Django in memory", "ours", "django-memory", 1 / 40, limit_text="1/40"),
    _ratio("fan8", "CPU per delivery, × Django in memory", "ours", "django-memory", 1 / 150, limit_text="1/150"),
    _ratio("rooms", "CPU per delivery, × Django in memory", "ours", "django-memory", 1 / 150, limit_text="1/150"),
    *(_ratio(scenario, "pub/sub: CPU per delivery including Redis, × Django's pub/sub including Redis", "ours-pubsub",
             "django-pubsub", 1 / 20, all_costs, limit_text="1/20") for scenario in ("fan8", "fan1", "rooms")),
    *(_ratio(scenario, "core: CPU per delivery, × Django's core", "ours-core", "django-core", 1 / 30, limit_text="1/30")
      for scenario in ("fan8", "fan1", "rooms")),
    *(_ratio(scenario, f"{layer}: p99, × Django's {layer}", f"ours-{layer}", f"django-{layer}", 1, "p99_ms")
      for scenario in ("fan8", "fan1") for layer in ("core", "pubsub")),
    # Both have the same number of deliveries per message, so the ratio per message equals the ratio per delivery.
    *(_ratio(scenario, f"{layer}: Redis CPU per `group_send`, × Python's", f"ours-{layer}", f"django-{layer}", 1, "side_us")
      for scenario in ("fan8", "fan1") for layer in ("core", "pubsub")),
)


def faults(rounds: Rounds, peer: str) -> dict[str, int]:
    """The columns of the delivery check that are not zero, summed over all plays of a contestant."""
    columns = ("lost", "doubled", "reordered", "wrong_room", "malformed", "dropped_connections")
    sums: dict[str, int] = {}
    for one in rounds:
        report = one.get(peer) or {}
        for part in report.get("sizes") or [report]:
            for column in columns:
                if part.get(column):
                    sums[column] = sums.get(column, 0) + part[column]
    failed = sum(1 for one in rounds if "error" in (one.get(peer) or {}))
    return sums | ({"failed plays": failed} if failed else {})
