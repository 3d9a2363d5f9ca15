"""Pages for people, drawn as HTML from what the core says. Pure: no store, no clock, no environment."""
