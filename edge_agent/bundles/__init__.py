"""The bundles that an edge installs: pulled, checked, chosen."""
