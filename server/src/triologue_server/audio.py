"""Audio behind the decoder: 16 kHz, one channel, 16-bit samples."""

import numpy as np
from numpy.typing import NDArray


def to_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Scale 16-bit samples to -1.0 to 1.0."""
    return samples.astype(np.float32) / 32768.0
