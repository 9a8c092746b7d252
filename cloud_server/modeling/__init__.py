"""ShadowPEFT (arXiv 2604.19254): the network, its caches and its files."""
