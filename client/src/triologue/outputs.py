"""Where the command line writes results."""

from pathlib import Path

import typer


def targets_of(files: list[Path], format: str, output: Path | None) -> list[Path | None]:
    """Say where each result goes, `None` for stdout, before anything is sent: a result must not be lost.

    Raises:
        typer.BadParameter: A result would have no place, or the place of another or of a recording.
    """
    hint = "--output"
    if output is None:
        if len(files) > 1 and format == "srt":
            raise typer.BadParameter("several files in this format need a folder", param_hint=hint)
        return [None] * len(files)
    if len(files) == 1 and not output.is_dir():
        needs_folder(output)
        _keep_recordings(files, [output])
        return [output]
    if output.exists() and not output.is_dir():
        raise typer.BadParameter(f"several files need a folder, {output} is a file", param_hint=hint)
    suffix = ".txt" if format == "text" else f".{format}"
    targets = [output / f"{file.stem}{suffix}" for file in files]
    if len(set(targets)) < len(targets):
        raise typer.BadParameter("two of the files would be written to the same name", param_hint=hint)
    _keep_recordings(files, targets)
    output.mkdir(parents=True, exist_ok=True)
    return list(targets)


def needs_folder(output: Path) -> None:
    """Refuse a path that no file can be written to.

    Raises:
        typer.BadParameter: Its folder does not exist.
    """
    if not output.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder of {output} does not exist", param_hint="--output")


def _keep_recordings(files: list[Path], targets: list[Path]) -> None:
    for target in targets:
        if target.exists() and any(target.samefile(file) for file in files):
            raise typer.BadParameter(f"{target} is a recording, and would be lost", param_hint="--output")
