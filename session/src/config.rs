//! Configuration: one JSON file and a few environment variables (design 7).
