"""The queue of slices, in SQS."""
