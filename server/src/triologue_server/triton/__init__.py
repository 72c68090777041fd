"""Around Triton: finding, starting and stopping it, and what its models share."""
