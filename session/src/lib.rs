//! The token: library, slots, sessions, login, objects, store.
