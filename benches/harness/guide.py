"""Brings the figures in the guide's tables up to those of RESULTS.md; `tests/docs.rs` compares them."""

import re
from pathlib import Path

PAGES = ("docs/performance.md", "docs/deployment.md")
HEAD = "| scenario | contestant | what | measured |"


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _figures(results: str) -> dict[tuple[str, str, str], str]:
    """The tables of the results: scenario, contestant and column, and the figure."""
    figures, scenario, head = {}, "", []
    for line in results.splitlines():
        if line.startswith("## "):
            scenario = "".join(re.findall("`[^`]+`", line)[:1])
        if not line.startswith("|"):
            head = []
        elif not head:
            head = _cells(line)
        else:
            contestant, *row = _cells(line)
            figures |= {(scenario, contestant, column): figure for column, figure in zip(head[1:], row)}
    return figures


def update(root: Path, results: str) -> None:
    figures = _figures(results)
    for page in (root / name for name in PAGES):
        lines, in_table = [], False
        for line in page.read_text().splitlines():
            in_table = line == HEAD or in_table and line.startswith("|")
            if in_table and (figure := figures.get(tuple(_cells(line)[:3]))):
                line = f"| {' | '.join(_cells(line)[:3])} | {figure} |"
            lines.append(line)
        page.write_text("\n".join(lines) + "\n")
