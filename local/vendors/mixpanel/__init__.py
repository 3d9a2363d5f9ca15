"""A simulated Mixpanel on loopback: raw export, profiles, cohort pushes, their traps and the truth."""
