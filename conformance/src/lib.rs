//! Black-box suites: load the built library, see nothing inside.
