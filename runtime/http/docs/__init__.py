"""The documents of a server about itself: OpenAPI for machines, pages for people, from the routes it really answers."""
