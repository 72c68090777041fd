"""Decoding of uploads in processes of its own: nobody must be able to end the service with a file."""
