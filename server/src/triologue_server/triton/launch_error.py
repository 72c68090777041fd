"""The one error of everything that starts Triton."""


class LaunchError(Exception):
    """Triton cannot be started; the message says what to do about it."""
