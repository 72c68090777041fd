"""The cores, called directly: fixed shapes, several rows in a request, and errors for what does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from triologue_server.audio import decode_audio
from triologue_server.transcription.window import WindowTranscript
from triologue_server.triton.server import TritonServer

SAMPLES = 480_000


def tensor(name: str, datatype: str, array: NDArray[Any]) -> tritonclient.grpc.InferInput:
    made = tritonclient.grpc.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def infer(
    triton: TritonServer, model: str, output: str, *inputs: tritonclient.grpc.InferInput
) -> NDArray[Any]:
    with tritonclient.grpc.InferenceServerClient(triton.grpc_url.removeprefix("grpc://")) as client:
        array: NDArray[Any] = client.infer(model, list(inputs)).as_numpy(output)
        return array


@pytest.fixture(scope="module")
def audio(sample: Path) -> NDArray[np.int16]:
    return decode_audio(sample.read_bytes(), 60).samples


def rows(audio: NDArray[np.int16], counts: list[int]) -> list[tritonclient.grpc.InferInput]:
    return [
        tensor("AUDIO", "INT16", np.stack([audio] * len(counts))),
        tensor("NUM_SAMPLES", "INT32", np.array(counts, np.int32)[:, None]),
    ]


def test_whisper_answers_each_row_by_its_own_options(triton: TritonServer, audio: NDArray[np.int16]) -> None:
    options = [b'{"language": "en"}', b'{"language": "de"}']
    texts = infer(
        triton,
        "whisper",
        "TRANSCRIPT",
        *rows(audio, [SAMPLES, SAMPLES]),
        tensor("OPTIONS", "BYTES", np.array(options, object)[:, None]),
    )
    transcripts = [WindowTranscript.model_validate_json(text) for text in texts[:, 0]]
    assert [transcript.language for transcript in transcripts] == ["en", "de"]
    assert transcripts[0].segments[0].text == " Hello."


def test_segmentation_and_embedding_of_a_short_span(triton: TritonServer, audio: NDArray[np.int16]) -> None:
    span = rows(audio, [12 * 16_000])
    activity = infer(triton, "pyannote_segmentation", "ACTIVITY", *span)
    assert activity.shape == (1, 21, 589, 3)
    assert activity[0, :3].any(axis=(1, 2)).all()  # 12 seconds are three windows
    assert not activity[0, 3:].any()
    embeddings = infer(
        triton, "speaker_embedding", "EMBEDDINGS", *span, tensor("ACTIVITY", "UINT8", activity)
    )
    assert embeddings.shape == (1, 21, 3, 192)
    np.testing.assert_array_equal(np.isfinite(embeddings[..., 0]), activity.any(axis=2))


@pytest.mark.parametrize("count", [0, -1, SAMPLES + 1])
def test_a_number_of_samples_that_does_not_fit(
    triton: TritonServer, audio: NDArray[np.int16], count: int
) -> None:
    with pytest.raises(InferenceServerException, match=f"INVALID_OPTION: NUM_SAMPLES: {count} is not from 1"):
        infer(triton, "pyannote_segmentation", "ACTIVITY", *rows(audio, [count]))


def test_options_that_cannot_be_read(triton: TritonServer, audio: NDArray[np.int16]) -> None:
    options = tensor("OPTIONS", "BYTES", np.array([[b"beam"]], object))
    with pytest.raises(InferenceServerException, match="INVALID_OPTION: OPTIONS: "):
        infer(triton, "whisper", "TRANSCRIPT", *rows(audio, [SAMPLES]), options)
