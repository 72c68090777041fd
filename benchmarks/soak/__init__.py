"""Whether a server lasts: under mixed requests for long, under far too many, and under many streams."""
