"""What the results say: a table for each set, the mean of all sets, and whether each goal is reached."""

from collections.abc import Mapping, Sequence

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
    """Say of each goal that runs tell of whether it is reached, and where not."""

    def mean(name: str, method: str, seconds: float) -> float:
        return float(np.mean(results.dice(name, method, seconds) or np.nan))

    def gaps(others: Sequence[str]) -> dict[tuple[str, float], float]:
        """How much better than the best of them this program is, by set and time."""
        best = {(n, s): np.fmax.reduce([mean(n, other, s) for other in others]) for n in names for s in TIMES}
        found = {(n, s): round(mean(n, OURS, s) - other, 3) for (n, s), other in best.items()}
        return {place: gap for place, gap in found.items() if not np.isnan(gap)}

    others = [method for method in METHODS if method != OURS]
    compared = {"the best of the others": gaps(others), f"the {FOREST}": gaps([FOREST])}
    lines = [_everywhere(f"at least {who}", by) for who, by in compared.items() if by]
    leads = [gap for (_, seconds), gap in gaps(others).items() if seconds == LEAD_AT]
    if leads:
        lead = np.mean(leads)
        text = f"{lead:+.3f} to the best of the others at {LEAD_AT:g} s, mean of {len(leads)} sets; wanted +{LEAD:.2f}"
        lines.append(_line(lead >= LEAD, text))
    for name, seconds, wanted in GOALS:
        reached = round(mean(name, OURS, seconds), 3)
        if not np.isnan(reached):
            lines.append(_line(reached >= wanted, f"{reached:.3f} on {name} at {seconds:g} s; wanted {wanted:.2f}"))
    return lines


def _everywhere(text: str, gaps: Mapping[tuple[str, float], float]) -> str:
    below = [f"{name} at {seconds:g} s ({gap:+.3f})" for (name, seconds), gap in gaps.items() if gap < 0]
    where = f"; not on {', '.join(below)}" if below else ""
    return _line(not below, f"{text} at {len(gaps) - len(below)} of {len(gaps)} sets and times{where}")


def _line(reached: bool | np.bool_, text: str) -> str:
    return f"- **{'yes' if reached else 'no'}**: {text}."
