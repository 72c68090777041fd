"""How well diarized transcripts, and speaker turns alone, agree with what people wrote down."""
