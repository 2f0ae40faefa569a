"""Draws the chart of the README: plain SVG that follows the reader's light or dark colour scheme."""

from xml.sax.saxutils import escape

from . import contestants
from .report import summary

PANELS = (
    ("fan8", "1,000 members, 8 messages in flight", "µs of server CPU per delivery"),
    ("fan1", "1,000 members, 1 message in flight", "µs of server CPU per delivery"),
    ("rooms", "100 rooms of 10, 4 in flight in each", "µs of server CPU per delivery"),
    ("echo", "a round trip through the group", "µs of server CPU per delivery"),
    ("idle", "10,000 idle connections", "bytes of memory per connection"),
)
PEERS = ("ours", "floor", "bun", "warp-tuned", "axum", "warp", "socketioxide", "node-ws", "django-memory", "django-pubsub")
NAMES = {
    "ours": "channels (this project)", "floor": "bare epoll (the floor)", "bun": "Bun", "warp-tuned": "warp, tuned by hand",
    "axum": "axum, by hand", "warp": "warp, by hand", "socketioxide": "socketioxide", "node-ws": "Node ws",
    "django-memory": "Django, in memory", "django-pubsub": "Django, Redis pub/sub",
}
WIDTH, LEFT, BAR, STEP = 880, 190, 15, 21
STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f; }
.title { font-weight: 600; font-size: 14px; } .unit, .value { fill: #57606a; } .value { font-variant-numeric: tabular-nums; }
.mine { font-weight: 600; } rect { fill: #afb8c1; } rect.mine { fill: #1a7f37; } path { stroke: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .unit, .value { fill: #9198a1; } rect { fill: #57606a; } rect.mine { fill: #3fb950; }
  path { stroke: #0d1117; }
}
"""


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def _full_scale(values: list[float]) -> float:
    """Returns a scale on which small bars differ visibly: bars far longer than the median are cut."""
    middle = sorted(values)[len(values) // 2]
    return max(value for value in values if value <= 4 * middle)


def draw(results: dict) -> str | None:
    """Returns the chart, or `None` if none of its scenarios were measured."""
    body, top = [], 10
    for name, title, unit in PANELS:
        values = summary(results, name)
        shown = sorted((values[peer], peer) for peer in PEERS if peer in values)
        if not shown:
            continue
        body.append(f'<text class="title" x="0" y="{top + 14}">{escape(title)}</text>')
        body.append(f'<text class="unit" x="{WIDTH}" y="{top + 14}" text-anchor="end">{escape(unit)}, less is better</text>')
        top += 26
        full = _full_scale([value for value, _ in shown])
        room = WIDTH - LEFT - 80
        for value, peer in shown:
            mine = ' class="mine"' if contestants.ALL[peer].ours else ""
            length = max(2.0, min(value / full, 1.12) * room / 1.12)
            body.append(f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end"{mine}>{escape(NAMES[peer])}</text>')
            body.append(f'<rect{mine} x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>')
            if value > full * 1.12:
                cut = LEFT + length - 24
                body.append(f'<path d="M{cut:.1f} {top + BAR + 1} l6 -{BAR + 2} M{cut + 5:.1f} {top + BAR + 1} l6 -{BAR + 2}" '
                            'stroke-width="2" fill="none"/>')
            body.append(f'<text class="value" x="{LEFT + length + 6:.1f}" y="{top + 12}">{_number(value)}</text>')
            top += STEP
        top += 16
    if not body:
        return None
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" role="img" '
            'aria-label="Cost of a delivery and of an idle connection, this project compared with others">')
    return "\n".join([head, f"<style>{STYLE}</style>", *body, "</svg>"]) + "\n"
