"""Who speaks, as a hidden Markov chain."""

import numpy as np
from numpy.typing import NDArray


def smoothed(likely: NDArray[np.float64], changes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each speaker of each item, (items, speakers), given all items.

    By the forward-backward algorithm (L. Rabiner, "A tutorial on hidden Markov models", 1989).

    Args:
        likely: (items, speakers): likelihoods, of which some of each item are above 0.
        changes: (items,): chance that the speaker changes before an item; any other is then as likely as the
            next.
    """
    count = likely.shape[1]
    if count == 1:
        return np.ones_like(likely)
    other = np.minimum(changes, (count - 1) / count) / (count - 1)
    same = 1.0 - count * other
    forward, backward = np.empty_like(likely), np.empty_like(likely)
    state = np.full(count, 1.0 / count)
    for at, (evidence, stay, move) in enumerate(zip(likely, same.tolist(), other.tolist(), strict=True)):
        state = evidence * (stay * state + move)
        state /= state.sum()
        forward[at] = state
    state = np.full(count, 1.0 / count)
    for at in range(len(likely) - 1, -1, -1):
        backward[at] = state
        state = likely[at] * state
        state = same[at] * (state / state.sum()) + other[at]
    probabilities = forward * backward
    smoothed: NDArray[np.float64] = probabilities / probabilities.sum(axis=1, keepdims=True)
    return smoothed
