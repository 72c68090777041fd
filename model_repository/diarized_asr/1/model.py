"""Public model `diarized_asr`: a proxy of the stream model."""

from triologue_server.triton.proxy import UnaryProxy


class TritonPythonModel(UnaryProxy):
    """Answers with the result of the pipeline `diarized_asr`."""

    pipeline = "diarized_asr"
