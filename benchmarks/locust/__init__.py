"""Load tests of the service: Locust's users are callers of the Python client.

The folder is a package of its own name, `benchmarks.locust`, and is imported by that name alone, so that
`import locust` gets the library.
"""
