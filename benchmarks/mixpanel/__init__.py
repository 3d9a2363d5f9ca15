"""What Mixpanel's streams cost: events, profiles, the counters' upsert, memory. `python -m benchmarks.mixpanel -h`."""
