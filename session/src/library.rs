//! The one initialised library of this process.
