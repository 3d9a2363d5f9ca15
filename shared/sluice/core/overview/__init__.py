"""The one picture of a deployment, what is wrong in it, and its figures."""
