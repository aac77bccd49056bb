//! The DDI codec against frames that another codec made (wire 1 to 4, `protocol/vectors`), and against noise.
//!
//! | File | What it tests |
//! |---|---|
//! | `golden` | every frame of every `cmd_*.json`, both dialects, both sides; names and numbers |
//! | `recorded` | transcripts, the credential ceremony, damaged requests |
//! | `limits` | the longest byte string of every field of every schema, and one byte more |
//! | `properties` | nothing panics; what is written is read back |
//! | `commands`, `json`, `vectors` | the list of commands, values as JSON, the data files |

#![allow(elided_lifetimes_in_paths, reason = "commands are listed by name, with or without a lifetime")]

mod commands;
mod golden;
mod json;
mod limits;
mod properties;
mod recorded;
mod vectors;
