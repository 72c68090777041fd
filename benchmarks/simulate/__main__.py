"""Simulated conversations for measurements, made of utterances of single speakers.

    python -m benchmarks.simulate OUT --utterances FOLDER --speakers 2-8 --minutes 5 --noise-db 15-25

writes audio files, RTTM files, STM files where all words are known, and a manifest into a folder.
`benchmarks/simulate/utterances.py` says how utterances are laid out, and `voices.py` makes some.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from benchmarks.encoded import Format
from benchmarks.simulate.conversation import simulate
from benchmarks.simulate.files import save
from benchmarks.simulate.utterances import load


@dataclass(frozen=True)
class Range:
    """Numbers to draw from, the ends included."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}-{self.high:g}"

    @classmethod
    def parse(cls, text: "str | Range") -> "Range":
        """Read `4` or `2-8`; a default is a range already.

        Raises:
            ValueError: It is something else, or nothing lies between the ends.
        """
        if isinstance(text, Range):
            return text
        low, _, high = text.partition("-")
        found = cls(float(low), float(high or low))
        if found.low > found.high:
            raise ValueError(f"{text} holds no numbers")
        return found

    def number(self, rng: np.random.Generator) -> float:
        """Draw a number."""
        return float(rng.uniform(self.low, self.high))

    def whole(self, rng: np.random.Generator) -> int:
        """Draw a whole number."""
        return int(rng.integers(round(self.low), round(self.high), endpoint=True))


def _range(text: str) -> Any:
    return typer.Option(parser=Range.parse, metavar="NUMBER|FROM-TO", help=text)


def main(
    out: Annotated[Path, typer.Argument(file_okay=False, help="Folder to write to.")],
    utterances: Annotated[
        list[Path], typer.Option(exists=True, file_okay=False, help="Folder with a folder for each speaker.")
    ],
    only: Annotated[list[str] | None, typer.Option(help="Speaker who may take part, if not all may.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many conversations.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="What decides everything that chance does.")] = 0,
    speakers: Annotated[Range, _range("How many speak in one.")] = Range(4, 4),
    minutes: Annotated[Range, _range("How long one is.")] = Range(5, 5),
    overlap: Annotated[Range, _range("Share of the changes of speaker that overlap.")] = Range(0.1, 0.1),
    backchannels: Annotated[
        Range, _range("Share of the long utterances with a word put in; a piece of another has no text.")
    ] = Range(0, 0),
    noise_db: Annotated[Range | None, _range("Of speech over noise; without it there is no noise.")] = None,
    telephone: Annotated[bool, typer.Option(help="Leave the band of a telephone alone.")] = False,
    name: Annotated[str, typer.Option(help="What the names of the files begin with.")] = "conversation",
    file_format: Annotated[Format, typer.Option("--format", help="Format of the audio files.")] = Format.FLAC,
) -> None:
    """Write simulated conversations; what is given as a range is drawn for each."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    said = [utterance for folder in utterances for utterance in load(folder)]
    if only:
        said = [utterance for utterance in said if utterance.speaker in only]
    out.mkdir(parents=True, exist_ok=True)
    with (out / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            conversation = simulate(
                said,
                speakers=speakers.whole(rng),
                seconds=60 * minutes.number(rng),
                seed=int(rng.integers(2**32)),
                overlap=overlap.number(rng),
                backchannels=backchannels.number(rng),
                noise_db=noise_db.number(rng) if noise_db else None,
                telephone=telephone,
            )
            entry = save(conversation, out, f"{name}-{number:03d}", file_format)
            manifest.write(json.dumps(entry, ensure_ascii=False) + "\n")
            console.print(entry["audio"])


if __name__ == "__main__":
    typer.run(main)
