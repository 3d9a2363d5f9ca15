"""What `sluice doctor` looks at, one file for each area; each check is a function that yields diagnoses."""
