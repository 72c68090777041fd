"""Diarized transcription from file to answer: the service, and what users put together by hand instead."""
