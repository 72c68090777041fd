"""What a call sends, how its answer is read, and when it is made again: without any I/O."""
