"""What FFmpeg may read of an upload: the containers people keep recordings in, and the sound in them."""

from collections.abc import Mapping

import av

MAX_STREAMS = 64
"""Streams that a container may hold: languages, pictures and subtitles of a film are fewer."""

# FFmpeg also knows playlists, manifests and image sequences, which name other files and addresses to be
# opened, and the formats of hundreds of games. What is not listed here is not even parsed.
_CONTAINERS = (
    # samples as they are
    *("wav", "w64", "aiff", "au", "caf", "voc", "ircam", "nistsphere", "sox", "pvf", "avr", "xwma"),
    # compressed without loss
    *("flac", "ape", "wv", "tta", "tak", "shn", "dsf", "iff", "truehd", "mlp"),
    # music, telephones and dictating machines
    *("mp3", "aac", "loas", "ac3", "ac4", "eac3", "dts", "dtshd", "mpc", "mpc8", "oma", "aa", "qoa"),
    *("amr", "amrnb", "amrwb", "gsm", "qcp", "dss", "act", "ilbc", "g729", "mmf", "wve"),
    # with pictures, or whatever else
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "ogg", "avi", "asf", "asf_o", "flv"),
    *("mpeg", "mpegts", "rm", "ivr", "nut", "mxf", "gxf", "dv", "wtv", "nsv"),
)


def _decodes_sound(codec: str) -> bool:
    try:
        return bool(av.Codec(codec, "r").type == "audio")
    except av.codec.codec.UnknownCodecError:  # it only encodes
        return False


# How FFmpeg is told to open an upload.
OPTIONS: Mapping[str, str] = {
    "format_whitelist": ",".join(_CONTAINERS),
    # Pictures are nothing to us, and their decoders are most of what an upload could attack.
    "codec_whitelist": ",".join(sorted(filter(_decodes_sound, av.codecs_available))),
    # Only the upload itself is read, whatever file or address it names.
    "protocol_whitelist": "none",
    # One more than may be, so that it is noticed; some demuxers refuse the upload by themselves then.
    "max_streams": str(MAX_STREAMS + 1),
}
