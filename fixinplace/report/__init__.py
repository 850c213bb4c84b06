"""One reader of results per output format; none of them decides anything."""
