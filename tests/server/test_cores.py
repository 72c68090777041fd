"""The cores, called directly: fixed shapes, several rows in a request, and errors for what does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from triologue_server.audio import decode_audio
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.transcription.processor import Features, WhisperProcessor
from triologue_server.transcription.window import Hypothesis
from triologue_server.triton.repository import CHECKOUT
from triologue_server.triton.server import TritonServer

SAMPLES, FRAMES = 480_000, 3_000


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


def rows(
    audio: NDArray[np.int16], counts: list[int], hops: list[int] | None = None
) -> list[tritonclient.grpc.InferInput]:
    return [
        tensor("AUDIO", "INT16", np.stack([audio] * len(counts))),
        tensor("NUM_SAMPLES", "INT32", np.array(counts, np.int32)[:, None]),
        tensor("HOP", "INT32", np.array(hops or [16_000] * len(counts), np.int32)[:, None]),
    ]


@pytest.fixture(scope="module")
def processor() -> WhisperProcessor:
    return WhisperProcessor(ModelStore().require(resolve_whisper("base")))


@pytest.fixture(scope="module")
def features(processor: WhisperProcessor, audio: NDArray[np.int16]) -> Features:
    return processor.spectrogram(audio)[:FRAMES]


def ask_whisper(triton: TritonServer, features: Features, frames: int, *options: bytes) -> list[Hypothesis]:
    texts = infer(
        triton,
        "whisper",
        "HYPOTHESIS",
        tensor("FEATURES", "FP32", np.stack([features] * len(options))),
        tensor("NUM_FRAMES", "INT32", np.array([[frames]] * len(options), np.int32)),
        tensor("OPTIONS", "BYTES", np.array(options, object)[:, None]),
    )
    return [Hypothesis.model_validate_json(text) for text in texts[:, 0]]


def test_whisper_answers_each_row_by_its_own_options(
    batched: TritonServer, processor: WhisperProcessor, features: Features
) -> None:
    english, german, detected = ask_whisper(
        batched,
        features,
        FRAMES,
        b'{"language": "en", "word_timestamps": true}',
        b'{"language": "de"}',
        b'{"detect_only": true}',
    )
    assert (english.language, german.language, detected.language) == ("en", "de", "en")
    assert processor.tokenizer.decode(english.tokens).startswith(" Hello.")
    assert english.words[0].word == " Hello"
    assert german.words == detected.tokens == []


@pytest.mark.parametrize("frames", [0, -1, FRAMES + 1])
def test_a_number_of_frames_that_does_not_fit(triton: TritonServer, features: Features, frames: int) -> None:
    with pytest.raises(InferenceServerException, match=f"INVALID_OPTION: NUM_FRAMES: {frames} is not from 1"):
        ask_whisper(triton, features, frames, b"{}")


def test_features_of_another_model(triton: TritonServer, features: Features) -> None:
    with pytest.raises(InferenceServerException, match="FEATURES: 128 x 3000 are not the 80 x"):
        ask_whisper(triton, np.zeros((128, FRAMES), np.float32), FRAMES, b"{}")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers(triton: TritonServer, features: Features, value: float) -> None:
    spoilt = features.copy()
    spoilt[3, 7] = value
    with pytest.raises(InferenceServerException, match="INVALID_OPTION: FEATURES: some are infinite"):
        ask_whisper(triton, spoilt, FRAMES, b"{}")


@pytest.mark.parametrize("token", [-1, 51_865, 2**40])
def test_tokens_the_model_does_not_have(triton: TritonServer, features: Features, token: int) -> None:
    """CTranslate2 would end the process: it still answers."""
    options = f'{{"language": "en", "previous_tokens": [{token}]}}'.encode()
    with pytest.raises(InferenceServerException, match="INVALID_OPTION: previous_tokens: "):
        ask_whisper(triton, features, FRAMES, options)
    (answer,) = ask_whisper(triton, features, FRAMES, b'{"language": "en", "detect_only": true}')
    assert answer.language == "en"


@pytest.mark.parametrize(("hop", "windows"), [(8_000, 5), (16_000, 3), (50_010, 2), (160_000, 2)])
def test_segmentation_and_embedding_of_a_short_span(
    triton: TritonServer, audio: NDArray[np.int16], hop: int, windows: int
) -> None:
    """Of twelve seconds."""
    span = rows(audio, [12 * 16_000], [hop])
    activity = infer(triton, "pyannote_segmentation", "ACTIVITY", *span)
    assert activity.shape == (1, 21, 589, 3)
    assert activity[0, :windows].any(axis=(1, 2)).all()
    assert not activity[0, windows:].any()
    embeddings = infer(
        triton, "speaker_embedding", "EMBEDDINGS", *span, tensor("ACTIVITY", "UINT8", activity)
    )
    assert embeddings.shape == (1, 21, 3, 192)
    np.testing.assert_array_equal(np.isfinite(embeddings[..., 0]), activity.any(axis=2))


def test_rows_of_a_request_may_have_any_hops(batched: TritonServer, audio: NDArray[np.int16]) -> None:
    counts, hops = [SAMPLES, 20 * 16_000, SAMPLES], [16_000, 80_000, 8_000]
    span = rows(audio, counts, hops)
    activity = infer(batched, "pyannote_segmentation", "ACTIVITY", *span)
    embeddings = infer(
        batched, "speaker_embedding", "EMBEDDINGS", *span, tensor("ACTIVITY", "UINT8", activity)
    )
    # Those with the shortest hop are 20 s, and what lies behind them is left out.
    assert [int(row.any(axis=(1, 2)).nonzero()[0].max()) + 1 for row in activity] == [21, 3, 21]
    for row, (count, hop) in enumerate(zip(counts, hops, strict=True)):
        alone = rows(audio, [count], [hop])
        (active,) = infer(batched, "pyannote_segmentation", "ACTIVITY", *alone)
        assert np.mean((active != activity[row]).any(axis=2)) <= 0.001
        np.testing.assert_array_equal(np.isfinite(embeddings[row, ..., 0]), activity[row].any(axis=1))


@pytest.mark.parametrize("hop", [-16_000, 0, 10, 7_990, 16_001, 160_010, 2**31 - 1])
@pytest.mark.parametrize("model", ["pyannote_segmentation", "speaker_embedding"])
def test_a_hop_that_is_none(batched: TritonServer, audio: NDArray[np.int16], model: str, hop: int) -> None:
    inputs, output = rows(audio, [SAMPLES, SAMPLES], [16_000, hop]), "ACTIVITY"
    if model == "speaker_embedding":
        inputs.append(tensor("ACTIVITY", "UINT8", np.ones((2, 21, 589, 3), np.uint8)))
        output = "EMBEDDINGS"
    with pytest.raises(InferenceServerException, match=f"INVALID_OPTION: HOP: {hop} is no multiple of 10"):
        infer(batched, model, output, *inputs)


@pytest.mark.parametrize("count", [0, -1, SAMPLES + 1])
def test_a_number_of_samples_that_does_not_fit(
    triton: TritonServer, audio: NDArray[np.int16], count: int
) -> None:
    with pytest.raises(InferenceServerException, match=f"INVALID_OPTION: NUM_SAMPLES: {count} is not from 1"):
        infer(triton, "pyannote_segmentation", "ACTIVITY", *rows(audio, [count]))


def test_options_that_cannot_be_read(triton: TritonServer, features: Features) -> None:
    with pytest.raises(InferenceServerException, match="INVALID_OPTION: OPTIONS: "):
        ask_whisper(triton, features, FRAMES, b"beam")


def test_cores_answer_the_conductor_alone(tmp_path: Path, audio: NDArray[np.int16]) -> None:
    """Unless they are open, which those of the other tests are."""
    core = CHECKOUT / "model_repository" / "pyannote_segmentation"
    (tmp_path / core.name).symlink_to(core)
    settings = Settings(http_port=0, grpc_port=0, metrics_port=0, model_repository=tmp_path)
    with (
        TritonServer(settings) as closed,
        tritonclient.grpc.InferenceServerClient(closed.grpc_url.removeprefix("grpc://")) as client,
    ):
        for key in ({}, {"core_key": ""}, {"core_key": "0" * 32}, {"core_key": 0}):
            with pytest.raises(
                InferenceServerException, match="ACCESS_DENIED: this model answers the server"
            ):
                client.infer(core.name, rows(audio, [SAMPLES]), parameters=key)
