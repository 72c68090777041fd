"""Speech recognition: faster-whisper's parts, run over batches of windows of different recordings."""
