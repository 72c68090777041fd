"""Measurements of the service against its peers, on the machine they run on."""
