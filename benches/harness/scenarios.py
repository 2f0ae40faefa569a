"""What is played, and by whom."""

from dataclasses import dataclass

RUST_AND_JS = ("floor", "floor-batch", "bun", "warp", "warp-tuned", "axum", "socketioxide", "node-ws")
DJANGO = ("django-memory", "django-core", "django-pubsub")


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    peers: tuple[str, ...]
    """In the order of the first round."""
    stretch: float = 1.0
    """Times the length of a window."""
    few: bool = False
    """Fewer rounds: the figure is not a close race, or the play is long."""
    load: tuple[str, ...] = ()
    """More arguments for the load generator."""
    alone: str = ""
    """A program that is played without a load generator, below `servers/stateful`."""


ALL = {
    scenario.name: scenario
    for scenario in (
        Scenario("fan8", "one room of 1,000, one sender, 8 messages under way",
                 ("ours", "ours-stateful", "ours-2w", "ours-4w", "ours-pubsub", "ours-pubsub-2p", "ours-core", *RUST_AND_JS,
                  *DJANGO)),
        Scenario("fan1", "one room of 1,000, one sender, one message under way",
                 ("ours", "ours-stateful", "ours-pubsub", "ours-core", *RUST_AND_JS, *DJANGO)),
        Scenario("rooms", "100 rooms of 10, a sender in each, 4 messages under way in each",
                 ("ours", "ours-2w", "ours-4w", "ours-pubsub", "ours-core", *RUST_AND_JS, *DJANGO)),
        Scenario("echo", "100 connections, each alone in its room, a round trip through the group",
                 ("ours", "ours-jemalloc", *RUST_AND_JS, *DJANGO)),
        Scenario("paced", "one room of 1,000, 2 messages a second",
                 ("ours", *RUST_AND_JS, "django-memory"), stretch=4, few=True),
        Scenario("idle", "10,000 connections in rooms of 10, held",
                 ("ours", "ours-jemalloc", *RUST_AND_JS, "django-memory"), few=True),
        Scenario("connect", "handshakes and closing, 2,000 connections in rooms of 10 at a time",
                 ("ours", "ours-standing", "floor", "bun", "warp", "warp-tuned", "axum", "node-ws")),
        Scenario("growth", "one sender, 8 messages under way, to 10, 100, 1,000 and 10,000 members",
                 ("ours", "floor-batch", "bun", "warp-tuned"), few=True),
        Scenario("fair", "ten rooms of 10 with 20 messages a second each, beside a room of 10,000 under full load",
                 ("ours", "ours-2w", "ours-4w", "bun", "warp-tuned"), stretch=2, few=True),
        Scenario("slow", "one room of 1,000 of whom one never reads, 4 messages of 4,000 bytes under way",
                 ("ours", "bun", "warp", "warp-tuned"), stretch=2, few=True,
                 # Large enough to fill what the kernel holds for a socket within the window.
                 load=("--bytes", "4000")),
        Scenario("groups", "joining and leaving a group in memory, beside other groups", ("ours-stateful",), few=True,
                 alone="groups"),
    )
}
