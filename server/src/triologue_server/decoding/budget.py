"""How much decoded audio there may be at once."""

from itertools import count

from triologue.schema import ServerOverloaded


class Budget:
    """Hours of audio that all recordings share.

    Args:
        hours: How many there are.
    """

    def __init__(self, hours: float) -> None:
        self._hours = hours
        self._held: dict[int, float] = {}
        self._names = count()

    @property
    def hours_held(self) -> float:
        """How many are taken."""
        # Copied first: a share may be given back from another thread meanwhile.
        return sum(list(self._held.values())) / 3600

    def share(self) -> "Share":
        """Return a share of it with nothing in it yet."""
        return Share(self, next(self._names))


class Share:
    """What one recording has of a budget; it may be given back from any thread."""

    def __init__(self, budget: Budget, name: int) -> None:
        self._budget = budget
        self._name = name

    def grow_to(self, seconds: float) -> None:
        """Take as much as that many seconds of audio.

        Raises:
            ServerOverloaded: There is not so much left.
        """
        budget = self._budget
        budget._held[self._name] = seconds
        if budget.hours_held > budget._hours:
            raise ServerOverloaded(
                f"the recordings being worked on hold the {budget._hours:g} hours of audio that they may; "
                "try again later"
            )

    def give_back(self) -> None:
        """Leave it to others."""
        self._budget._held.pop(self._name, None)
