"""Decoding encoded windows, with Whisper's temperature ladder for each of them.

The ladder and its checks are those of "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford
et al., arXiv 2212.04356, section 4.5) as faster-whisper implements them for one window; here all windows that
fail at a temperature are decoded again together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_compression_ratio, get_suppressed_tokens

from triologue.schema import InvalidOption, WhisperParams
from triologue_server.transcription.network import Encoded
from triologue_server.transcription.window import WindowOptions

_ROOM_TOKENS = 200  # as many as fast speech fills a window with
_LEAST_ROOM_TOKENS = 100  # where what was said before a window would take more, its beginning is left out


@dataclass(frozen=True)
class Decoded:
    """The best hypothesis for a window."""

    tokens: list[int]
    """Text and timestamp tokens."""
    avg_logprob: float
    """Mean log-probability of the tokens."""
    no_speech_prob: float
    """Probability that the window holds no speech."""
    compression_ratio: float
    """Bytes of the text over those of its zlib compression; high when the text repeats itself."""
    temperature: float
    """The last temperature that was tried."""


def prompt_of(model: WhisperModel, tokenizer: Tokenizer, options: WindowOptions) -> list[int]:
    """Return the tokens that a window's decoding starts from.

    Raises:
        InvalidOption: They leave no room for text.
    """
    spoken = tokenizer.encode(f" {options.initial_prompt.strip()}") if options.initial_prompt else []
    prompt = _prompt(model, tokenizer, options, spoken)
    if model.max_length - len(prompt) < _ROOM_TOKENS:
        raise InvalidOption(
            f"initial_prompt, prefix, hotwords: {len(prompt)} of {model.max_length} tokens leave too few"
        )
    if not options.previous_tokens:
        return prompt
    spoken = [*spoken, *options.previous_tokens]
    prompt = _prompt(model, tokenizer, options, spoken)
    excess = len(prompt) - (model.max_length - _LEAST_ROOM_TOKENS)
    if excess > 0:
        kept = min(len(spoken), model.max_length // 2 - 1) - excess
        prompt = _prompt(model, tokenizer, options, spoken[len(spoken) - kept :])
    return prompt


def _prompt(
    model: WhisperModel, tokenizer: Tokenizer, options: WindowOptions, spoken: list[int]
) -> list[int]:
    prompt: list[int] = model.get_prompt(
        tokenizer,
        spoken,
        without_timestamps=options.without_timestamps is not False,
        prefix=options.prefix,
        hotwords=options.hotwords,
    )
    return prompt


def decode(
    model: WhisperModel,
    encoded: Encoded,
    tokenizer: Tokenizer,
    prompts: Sequence[list[int]],
    options: WhisperParams,
) -> list[Decoded]:
    """Decode every window, climbing the temperature ladder with those that fail.

    Args:
        model: The Whisper model.
        encoded: (windows, frames, features), the encoder's output.
        tokenizer: Of the windows' language and task.
        prompts: What each window starts from; all of one length, as CTranslate2 wants it.
        options: What to decode with.
    """
    best: list[Decoded | None] = [None] * len(encoded)
    pending = list(range(len(encoded)))
    for temperature in options.temperatures:
        hypotheses = _generate(
            model, encoded[pending], tokenizer, [prompts[at] for at in pending], options, temperature
        )
        failed = []
        for window, hypothesis in zip(pending, hypotheses, strict=True):
            if _fails(hypothesis, options):
                best[window] = _better(best[window], hypothesis, options)
                failed.append(window)
            else:
                best[window] = hypothesis
        pending = failed
        if not pending:
            break
    return [decoded for decoded in best if decoded is not None]


def _generate(
    model: WhisperModel,
    encoded: Encoded,
    tokenizer: Tokenizer,
    prompts: Sequence[list[int]],
    options: WhisperParams,
    temperature: float,
) -> list[Decoded]:
    if temperature > 0:
        search = {
            "beam_size": 1,
            "num_hypotheses": options.best_of,
            "sampling_topk": 0,
            "sampling_temperature": temperature,
        }
    else:
        search = {"beam_size": options.beam_size, "patience": options.patience}
    results = model.model.generate(
        encoded,
        prompts,
        length_penalty=options.length_penalty,
        repetition_penalty=options.repetition_penalty,
        no_repeat_ngram_size=options.no_repeat_ngram_size,
        max_length=min(model.max_length, len(prompts[0]) + (options.max_new_tokens or model.max_length)),
        return_scores=True,
        return_no_speech_prob=True,
        suppress_blank=options.suppress_blank,
        suppress_tokens=_suppressed(tokenizer, options),
        max_initial_timestamp_index=round(options.max_initial_timestamp / model.time_precision),
        **search,
    )
    return [_decoded(result, tokenizer, options, temperature) for result in results]


def _suppressed(tokenizer: Tokenizer, options: WhisperParams) -> Sequence[int] | None:
    # None and nothing mean to faster-whisper what they say: not even its own tokens are suppressed.
    tokens = options.suppress_tokens
    return get_suppressed_tokens(tokenizer, list(tokens)) if tokens else tokens


def _decoded(result: Any, tokenizer: Tokenizer, options: WhisperParams, temperature: float) -> Decoded:
    tokens: list[int] = result.sequences_ids[0]
    # CTranslate2 divides the summed log-probability by length ** length_penalty.
    total = result.scores[0] * len(tokens) ** options.length_penalty
    return Decoded(
        tokens=tokens,
        avg_logprob=total / (len(tokens) + 1),
        no_speech_prob=result.no_speech_prob,
        compression_ratio=get_compression_ratio(tokenizer.decode(tokens).strip()),
        temperature=temperature,
    )


def _repeats(hypothesis: Decoded, options: WhisperParams) -> bool:
    threshold = options.compression_ratio_threshold
    return threshold is not None and hypothesis.compression_ratio > threshold


def _fails(hypothesis: Decoded, options: WhisperParams) -> bool:
    """Say whether a hypothesis is too repetitive or too improbable, and not just silence."""
    threshold = options.log_prob_threshold
    improbable = threshold is not None and hypothesis.avg_logprob < threshold
    silent = (
        improbable
        and options.no_speech_threshold is not None
        and hypothesis.no_speech_prob > options.no_speech_threshold
    )
    return (_repeats(hypothesis, options) or improbable) and not silent


def _better(best: Decoded | None, new: Decoded, options: WhisperParams) -> Decoded:
    """Choose between two failed hypotheses: one that does not repeat itself, then the more probable."""
    if best is None:
        return new
    chosen = max(
        best, new, key=lambda hypothesis: (not _repeats(hypothesis, options), hypothesis.avg_logprob)
    )
    return replace(chosen, temperature=new.temperature)
