"""Parts of `benchmarks.gpu`: a Whisper network of random weights, the contenders, and a watch on the GPU."""
