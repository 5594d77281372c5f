"""The page on which people watch and steer runs: files that are served as they are, and use the public API alone."""
