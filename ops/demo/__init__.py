"""The demo: the real template on the embedded stack, part by part."""
