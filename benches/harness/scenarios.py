"""The scenarios, and the contestants of each."""

from dataclasses import dataclass

RUST_AND_JS = ("floor", "floor-batch", "bun", "warp", "warp-tuned", "axum", "socketioxide", "node-ws")
DJANGO = ("django-memory", "django-core", "django-pubsub")


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    peers: tuple[str, ...]
    """The contestants, in the order of the first round."""
    stretch: float = 1.0
    """The factor for the length of a window."""
    few: bool = False
    """Whether it has fewer rounds: the results are far apart, or the play is long."""
    load: tuple[str, ...] = ()
    """Additional arguments for the load generator."""
    alone: str = ""
    """A program in `servers/stateful` that runs without a load generator."""


ALL = {
    scenario.name: scenario
    for scenario in (
        Scenario("fan8", "one room of 1,000, one sender, 8 messages in flight",
                 ("ours", "ours-stateful", "ours-axum", "ours-2w", "ours-4w", "ours-pubsub", "ours-pubsub-2p", "ours-core",
                  *RUST_AND_JS, *DJANGO)),
        Scenario("fan1", "one room of 1,000, one sender, one message in flight",
                 ("ours", "ours-stateful", "ours-pubsub", "ours-core", *RUST_AND_JS, *DJANGO)),
        Scenario("rooms", "100 rooms of 10, a sender in each, 4 messages in flight in each",
                 ("ours", "ours-2w", "ours-4w", "ours-pubsub", "ours-core", *RUST_AND_JS, *DJANGO)),
        Scenario("echo", "100 connections, each alone in its room, a round trip through the group",
                 ("ours", "ours-axum", "ours-jemalloc", *RUST_AND_JS, *DJANGO)),
        Scenario("paced", "one room of 1,000, 2 messages a second",
                 ("ours", *RUST_AND_JS, "django-memory"), stretch=4, few=True),
        Scenario("idle", "10,000 connections in rooms of 10, held",
                 ("ours", "ours-axum", "ours-jemalloc", *RUST_AND_JS, "django-memory"), few=True),
        Scenario("connect", "handshakes and closing, 2,000 connections in rooms of 10 at a time",
                 ("ours", "ours-axum", "ours-standing", "floor", "bun", "warp", "warp-tuned", "axum", "node-ws")),
        Scenario("growth", "one sender, 8 messages in flight, to 10, 100, 1,000 and 10,000 members",
                 ("ours", "floor-batch", "bun", "warp-tuned"), few=True),
        Scenario("fair", "ten rooms of 10 with 20 messages a second each, next to a room of 10,000 under full load",
                 ("ours", "ours-2w", "ours-4w", "bun", "warp-tuned"), stretch=2, few=True),
        Scenario("slow", "one room of 1,000 with one member that never reads, 4 messages of 4,000 bytes in flight",
                 ("ours", "bun", "warp", "warp-tuned"), stretch=2, few=True,
                 # Large enough to fill the kernel's socket buffers within the window.
                 load=("--bytes", "4000")),
        Scenario("groups", "joining and leaving a group in memory, next to other groups", ("ours-stateful",), few=True,
                 alone="groups"),
    )
}
