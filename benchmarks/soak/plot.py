"""The samples of a server over time, as a picture for a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.soak.sampling import Sample
from benchmarks.soak.verdict import ALLOCATED, FILES, MEMORY, THREADS, WRITTEN, Measure

POINTS = 120
"""Of each line, at most."""

# Neither black nor white, so that both a light and a dark page show them.
_GREY, _BLUE, _ORANGE = "#808080", "#3b8bd6", "#d9822b"
_IN_FLIGHT = Measure("unfinished", "requests", lambda sample: sample.unfinished or 0)
_PANELS: Mapping[str, Sequence[Measure]] = {
    "memory, MB": (MEMORY,),
    "shared memory, MB": (WRITTEN, ALLOCATED),
    "threads and open files": (THREADS, FILES),
    "recordings and requests under way": (_IN_FLIGHT,),
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "triologue",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _GREY,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
}


def write(samples: Sequence[Sample], path: Path) -> None:
    """Write an SVG file; the same samples make the same file."""
    chosen = thinned(samples)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.5, 7.0), layout="constrained")
        panels: Sequence[Axes] = figure.subplots(len(_PANELS), sharex=True)
        for axes, (title, measures) in zip(panels, _PANELS.items(), strict=True):
            _draw(axes, chosen, measures)
            axes.set_title(title, loc="left", fontsize=9)
        panels[-1].set_xlabel("minutes")
        # No date, or each run would change the file.
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})


def thinned(samples: Sequence[Sample]) -> list[Sample]:
    """Return few samples that stand for all: of each stretch of time the one with the most memory."""
    size = -(-len(samples) // POINTS)
    return [
        max(samples[start : start + size], key=MEMORY.of) for start in range(0, len(samples), max(size, 1))
    ]


def _draw(axes: Axes, samples: Sequence[Sample], measures: Sequence[Measure]) -> None:
    began = samples[0].at
    minutes = [(sample.at - began) / 60 for sample in samples]
    for measure, color in zip(measures, (_BLUE, _ORANGE), strict=False):
        values = [measure.of(sample) for sample in samples]
        axes.plot(minutes, values, color=color, linewidth=1.2, label=measure.what)
    if len(measures) > 1:
        axes.legend(loc="lower right", ncols=len(measures), frameon=False)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3, color=_GREY)
    axes.spines[["top", "right"]].set_visible(False)
