"""Speaker diarization: pyannote.audio's pipeline, its two network passes taken out into Triton models."""

import os
import warnings

# Read by pyannote.audio when it is imported, which every module here does: it reports usage to its makers
# unless told otherwise.
os.environ["PYANNOTE_METRICS_ENABLED"] = "0"

# pyannote.audio warns of decoders that are not used here, and of bounds on speakers that callers are told
# about in their result; NumPy, of the mean of no voices at all.
warnings.filterwarnings("ignore", module=r"pyannote\.")
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"numpy\.")
