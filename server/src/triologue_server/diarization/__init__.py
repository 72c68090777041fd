"""Speaker diarization: pyannote.audio's pipeline, with its two network passes taken out into Triton models."""
