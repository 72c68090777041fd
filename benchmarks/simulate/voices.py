"""Utterances of synthetic voices, for simulated conversations where no recordings of people are at hand.

    python -m benchmarks.simulate.voices VOICES --speakers 8
    python -m benchmarks.simulate OUT --utterances VOICES --speakers 2-8 --backchannels 0.3

The program espeak-ng speaks. All words are known, those of back-channels too. Such voices are clear and even:
they do not say how well anything understands people, or tells them apart.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks.simulate.sentences import BACKCHANNELS, LANGUAGE, SENTENCES
from benchmarks.speech import Samples, wav
from triologue_server.audio import decode_audio

VARIANTS = {
    "Diogo": 65, "Lee": 50, "david": 35, "f1": 35, "f4": 65, "f5": 80,
    "grandma": 50, "kaukovalta": 80, "m2": 20, "pablo": 80, "quincy": 20, "zac": 50,
}  # fmt: skip
"""Voices of espeak-ng 1.51, equally fast, and the pitches at which a diarization tells them apart best."""

_ACCENTS = ("en", "en-us")  # British is `en`: under `en-gb` all variants sound the same
_PITCH = (-4, 4)  # around that of the variant
_SPEED = (115, 135)
_MAX_SECONDS = 60.0


@dataclass(frozen=True)
class Voice:
    """How a speaker sounds."""

    variant: str
    """Voice of espeak-ng, after which the speaker is named."""
    accent: str
    """Language code of espeak-ng, such as `en-us`."""
    pitch: int
    """From 0 to 99; 50 is the variant's own."""
    speed: int
    """In words per minute, as espeak-ng counts them; of short words there are more."""


def voices(number: int, seed: int) -> list[Voice]:
    """Draw voices, each of another variant.

    Raises:
        ValueError: There are not that many.
    """
    if number > len(VARIANTS):
        raise ValueError(f"{number} voices are asked for, and there are {len(VARIANTS)}")
    rng = np.random.default_rng(seed)
    return [
        Voice(
            variant=str(variant),
            accent=_ACCENTS[rng.integers(len(_ACCENTS))],
            pitch=VARIANTS[variant] + int(rng.integers(*_PITCH, endpoint=True)),
            speed=int(rng.integers(*_SPEED, endpoint=True)),
        )
        for variant in rng.permutation(list(VARIANTS))[:number]
    ]


def check() -> None:
    """Make sure that espeak-ng has all voices: one that it does not know, it leaves out and does not say so.

    Raises:
        FileNotFoundError: It is not installed.
        ValueError: It lacks a voice.
        subprocess.CalledProcessError: It fails, and has said why.
    """
    known = _output("--voices=variant").decode(errors="replace").split()
    missing = [variant for variant in VARIANTS if f"!v/{variant}" not in known]
    if missing:
        raise ValueError(f"this espeak-ng has no voices {', '.join(missing)}; version 1.51 has them")


def speak(text: str, voice: Voice) -> Samples:
    """Have espeak-ng say something, for a minute at most.

    Raises:
        FileNotFoundError: It is not installed.
        subprocess.CalledProcessError: It fails, and has said why.
    """
    name = f"{voice.accent}+{voice.variant}"
    arguments = ["--stdin", "--stdout", "-v", name, "-p", str(voice.pitch), "-s", str(voice.speed)]
    return decode_audio(_output(*arguments, text=text), _MAX_SECONDS).samples


def _output(*arguments: str, text: str = "") -> bytes:
    path = shutil.which("espeak-ng")
    if path is None:
        raise FileNotFoundError("espeak-ng is not installed (on Debian: apt-get install espeak-ng)")
    done = subprocess.run(  # noqa: S603
        [path, *arguments], input=text.encode(), stdout=subprocess.PIPE, check=True
    )
    return done.stdout


def save(voice: Voice, folder: Path) -> list[dict[str, str]]:
    """Write all that is said in a voice into a folder of its own in this one, as WAV files.

    Returns:
        Lines about them for a `*.jsonl` file in the folder.

    Raises:
        FileExistsError: The voice has its folder already.
        FileNotFoundError: espeak-ng is not installed.
        subprocess.CalledProcessError: It fails, and has said why.
    """
    (folder / voice.variant).mkdir()
    lines = []
    for number, text in enumerate([*SENTENCES, *BACKCHANNELS]):
        audio = f"{voice.variant}/{number:03d}.wav"
        (folder / audio).write_bytes(wav(speak(text, voice)))
        lines.append({"audio": audio, "speaker": voice.variant, "text": text, "language": LANGUAGE})
    return lines


def main(
    out: Annotated[Path, typer.Argument(file_okay=False, help="Folder to write, not there yet.")],
    speakers: Annotated[int, typer.Option(min=1, max=len(VARIANTS), help="How many voices.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="What decides which voices they are.")] = 0,
) -> None:
    """Write utterances of synthetic voices, with a folder for each."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if out.exists():
        raise typer.BadParameter(f"{out} is there already")
    try:
        check()
    except (FileNotFoundError, ValueError) as error:
        console.print(str(error))
        raise typer.Exit(1) from None
    out.mkdir(parents=True)
    with (out / "utterances.jsonl").open("w", encoding="utf-8") as written:
        for voice in voices(speakers, seed):
            for line in save(voice, out):
                written.write(json.dumps(line) + "\n")
            console.print(f"{out / voice.variant}")


if __name__ == "__main__":
    typer.run(main)
