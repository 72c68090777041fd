"""Public model `transcription`: a proxy of the stream model."""

from triologue_server.triton.proxy import UnaryProxy


class TritonPythonModel(UnaryProxy):
    """Answers with the result of the pipeline `transcription`."""

    pipeline = "transcription"
