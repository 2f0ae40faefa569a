"""Updates the results in the tables of the guide and the README from RESULTS.md; `tests/docs.rs` compares them."""

import re
from pathlib import Path

PAGES = ("docs/performance.md", "docs/deployment.md")
HEAD = "| scenario | contestant | what | measured |"


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _figures(results: str) -> dict[tuple[str, str, str], str]:
    """Returns the results from the tables of RESULTS.md by scenario, contestant and column."""
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


def _goals(results: str) -> str:
    """Returns a phrase with the number of goals that were met."""
    verdicts = re.findall(r"(met|\*\*missed.*\*\*) \|$", results.split("## Missed goals")[0], re.MULTILINE)
    return f"{verdicts.count('met')} of {len(verdicts)} goals were met"


def _compared(text: str, figures: dict[tuple[str, str, str], str]) -> str:
    """Fills tables that compare contestants. The head of a table names the contestants; the first cell of a row begins
    with the column in italics and ends with the scenario in brackets. The spread stays in RESULTS.md."""
    lines, contestants = [], []
    for line in text.splitlines():
        cells = _cells(line) if line.startswith("|") else []
        if not cells:
            contestants = []
        elif not contestants:
            contestants = cells[1:]
        elif row := re.fullmatch(r"\*(.+)\*: .*\((`\w+`)\)", cells[0]):
            found = (figures.get((row[2], contestant, row[1]), "–") for contestant in contestants)
            line = f"| {' | '.join([cells[0], *(figure.split(' [')[0] for figure in found)])} |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def update(root: Path, results: str) -> None:
    figures = _figures(results)
    readme = root / "README.md"
    text = re.sub(r"\d+ of \d+ goals were met", _goals(results), readme.read_text())
    readme.write_text(_compared(text, figures))
    for page in (root / name for name in PAGES):
        lines, in_table = [], False
        for line in page.read_text().splitlines():
            in_table = line == HEAD or in_table and line.startswith("|")
            if in_table and (figure := figures.get(tuple(_cells(line)[:3]))):
                line = f"| {' | '.join(_cells(line)[:3])} | {figure} |"
            lines.append(line)
        page.write_text("\n".join(lines) + "\n")
