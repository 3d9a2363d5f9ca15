"""Sources: one folder per vendor, and the one room in which HTTP is spoken."""
