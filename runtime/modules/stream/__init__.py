"""stream: what is published to those who follow a run, kept beside its history."""
