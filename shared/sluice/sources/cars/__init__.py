"""The cars catalogue: two shapes of one vendor's API, one stream."""
