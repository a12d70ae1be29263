"""Operating Hogsend: health."""
