"""Interactive figures. Each module holds one widget; import it from there."""
