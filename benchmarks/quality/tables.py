"""What the results say: a table for each set, the mean of all sets, and whether each goal is reached."""

from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.quality.methods import FOREST, METHODS, OURS
from benchmarks.quality.results import Results, present
from benchmarks.quality.sets import BUNDLED, WITH_DATA

TIMES = (15.0, 30.0, 60.0, 180.0)
GOALS = (
    ("ct_chest", 30.0, 0.80),
    ("ct_chest", 60.0, 0.88),
    ("ct_chest", 180.0, 0.90),
    ("scribbles", 90.0, 0.55),
)
"""The Dice to be reached on a set after so many seconds."""
LEAD_AT, LEAD = 60.0, 0.05
"""By how much the best other program is to be surpassed, on average over the sets, and when."""
LATE = 1.1
"""Training that took more than so many times its limit is said to have."""


def report(results: Results) -> list[str]:
    """Write all of it, in lines of Markdown."""
    names = present([*BUNDLED, *WITH_DATA], (run.set for run in results.runs))
    lines: list[str] = []
    for name in names:
        lines += [f"## {name}", "", *_table(results, [name]), ""]
    return [*lines, "## Mean of all sets", "", *_table(results, names), "", "## Goals", "", *goals(results, names), ""]


def _table(results: Results, names: Sequence[str]) -> list[str]:
    methods = present(METHODS, (run.method for run in results.runs if run.set in names))
    lines = ["| | " + " | ".join(f"{seconds:g} s" for seconds in TIMES) + " |", "|---" * (len(TIMES) + 1) + "|"]
    for method in methods:
        cells = [_cell(results, names, method, seconds) for seconds in TIMES]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def _cell(results: Results, names: Sequence[str], method: str, seconds: float) -> str:
    """Mean and standard deviation over the seeds, of the mean over the sets."""
    by_set = [results.dice(name, method, seconds) for name in names]
    seeds = min(map(len, by_set))
    if not seeds:
        return "–"
    dice = np.mean([runs[:seeds] for runs in by_set], axis=0)
    spread = f" ± {dice.std(ddof=1):.3f}" if seeds > 1 else ""
    cpu = results.cpu(names[0], method, seconds)
    late = f" (took {cpu:.0f} s)" if len(names) == 1 and method != FOREST and cpu > LATE * seconds else ""
    return f"{dice.mean():.3f}{spread}{late}"


def goals(results: Results, names: Sequence[str]) -> list[str]:
    """Say of each goal whether it is reached, and where not."""

    def mean(name: str, method: str, seconds: float) -> float:
        runs = results.dice(name, method, seconds)
        return float(np.mean(runs)) if runs else np.nan

    def best(name: str, seconds: float) -> float:
        return float(np.nanmax([np.nan if m == OURS else mean(name, m, seconds) for m in METHODS]))

    places = [(name, seconds) for name in names for seconds in TIMES if results.dice(name, OURS, seconds)]
    lines = []
    for text, other in (("at least the best of the others", best), (f"at least the {FOREST}", None)):
        gaps = [(n, s, mean(n, OURS, s) - (other(n, s) if other else mean(n, FOREST, s))) for n, s in places]
        lines.append(_everywhere(text, gaps))
    leads = [mean(n, OURS, s) - best(n, s) for n, s in places if s == LEAD_AT]
    if leads:
        lead = float(np.mean(leads))
        text = f"{LEAD_AT:g} s, mean of all sets: {lead:+.3f} to the best of the others; wanted +{LEAD:.2f}"
        lines.append(_line(lead >= LEAD, text))
    for name, seconds, wanted in GOALS:
        if results.dice(name, OURS, seconds):
            reached = mean(name, OURS, seconds)
            lines.append(
                _line(round(reached, 3) >= wanted, f"{name}, {seconds:g} s: {reached:.3f}; wanted {wanted:.2f}")
            )
    return lines


def _everywhere(text: str, gaps: Iterable[tuple[str, float, float]]) -> str:
    gaps = [gap for gap in gaps if not np.isnan(gap[2])]
    below = [f"{name} at {seconds:g} s ({gap:+.3f})" for name, seconds, gap in gaps if gap < 0]
    where = f"; not {', '.join(below)}" if below else ""
    return _line(not below, f"{text} at every set and time: {len(gaps) - len(below)} of {len(gaps)}{where}")


def _line(reached: bool, text: str) -> str:
    return f"- **{'yes' if reached else 'no'}**: {text}."
