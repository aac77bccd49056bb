//! The emulator carrier.
