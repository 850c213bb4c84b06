"""What the commands do, told apart from how their options are read (`cli.py`)."""
