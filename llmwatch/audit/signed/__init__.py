"""What is signed about a log as a whole: checkpoints, digests and tombstones, and the checkpoints seen before."""
