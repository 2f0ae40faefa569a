"""A right program with every kind of type."""
from typing import Any, Literal, get_type_hints

import kinds_events
from kinds_events import Every, KindForms, KindMoved, KindMovedInput, KindOpen, KindTree, KindTreeInput, Outside, Seat, Step


class Further(KindOpen):
    """Names further keys."""

    more: int


def step_of(step: Step) -> int:
    if step["kind"] == "forward":
        return step["by"]
    if step["kind"] == "class":
        mood: Literal["glad", "it's \"so\" \\ so"] = step["class"]
        return len(mood)
    kind: Literal["turn-around"] = step["kind"]
    return len(kind)


def moved(event: KindMoved | KindMovedInput) -> str:
    nested = event["nested"]
    if isinstance(nested, str):
        return nested
    private: bool = event["__private"]
    return f"{event['class']} {private} {event.get('a-b')}"


def forms(event: KindForms) -> int:
    return event["by"] if event["kind"] == "forward" else event["id"]


def tree(event: KindTree) -> int:
    children = event["tree"]["children"]
    anything: Any = event["anything"]
    return sum(child["value"] for child in children) + event["counts"]["a"] + event["three"][0] + len(str(anything))


outside: Outside = {"Fields": {"from": "Nothing", "back": ["a", {"1": "b"}]}}
further: Further = {"type": "kind.open", "known": 1, "more": 2}
sent: KindTreeInput = {
    "type": "kind.tree",
    "tree": {"value": 1, "children": [{"value": 2, "children": []}]},
    "at": [1, "a"],
    "three": [1, 2, 3],
    "letter": "a",
    "ratio": 1,
    "anything": object(),
    "counts": {"a": 1},
    "one": {"Fields": {"from": {"Number": 1}}},
    "nothing": None,
}


def send() -> str:
    seat = Seat("a", False, "b_c", -7)
    seat.send(further)
    seat.send({"type": "kind.forms", "kind": "turn-around", "id": 1})
    Every("all").send(sent)
    Every("all").send(
        {"type": "kind.moved", "step": {"kind": "forward", "by": 1}, "class": "glad", "__private": True, "nested": []}
    )
    return f"{seat.class_} {seat.send_}"


def hints() -> None:
    for name in ("Tree", "OutsideFieldsFields", "KindMoved", "KindMovedInput", "KindTree", "KindFormsClass"):
        assert get_type_hints(getattr(kinds_events, name), include_extras=True)
