"""The help of commands, in plain lines: names this long are cut short in rich's tables."""

from collections import defaultdict
from typing import Any

from typer.core import TyperCommand

from triologue.cli.statuses import MEANINGS


class SectionedCommand(TyperCommand):
    """A command whose help has sections, and says what its exit status means."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections, in the order of the parameters."""
        sections: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                kind = parameter.param_type_name
                section = getattr(parameter, "rich_help_panel", None) or f"{kind.title()}s"
                # What typer calls the type of an argument is of no use to people.
                name = record[0].partition(" <")[0] if kind == "argument" else record[0]
                sections[section].append((name, record[1]))
        sections["Exit status"] = [(str(int(status)), meaning) for status, meaning in MEANINGS.items()]
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)
