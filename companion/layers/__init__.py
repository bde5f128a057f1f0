"""What networks are made of: layers and the ways to initialise them."""
