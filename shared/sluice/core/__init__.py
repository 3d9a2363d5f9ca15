"""The pure part: words, rules and ports. Standard library only; imports nothing of Sluice."""
