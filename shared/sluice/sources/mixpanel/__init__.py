"""Mixpanel: raw events, profiles and cohorts of a project."""
