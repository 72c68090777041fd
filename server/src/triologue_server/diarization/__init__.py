"""Speaker diarization: pyannote.audio's pipeline, its two network passes taken out into Triton models."""
