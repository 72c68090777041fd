"""The server side of Triologue: what the Triton models share, and the command that runs Triton."""
