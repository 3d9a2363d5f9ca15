"""What Sluice does, one verb per file. Knows rules and ports, no technology."""
