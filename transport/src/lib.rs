//! The HSM: everything between a typed request and the chip, and a twin of the chip.
//!
//! | Room | What it is |
//! |---|---|
//! | [`channel`] | carries frames and the two bulk calls; a carrier is one file that implements it |
//! | [`ddi`] | typed requests and responses to bytes and back, one file per command, both dialects |
//! | [`emulator`] | the carrier that answers frames in this process as the firmware does |
//! | [`node`] | the carrier over the Linux device nodes `/dev/azihsm<N>` |
//! | [`partition`] | one live HSM partition: ceremony, device session, live keys; key ids stop here |
//! | [`raw_rsa`] | RSA without padding, for keys outside the HSM |
//!
//! Sources: `protocol/ddi-wire.md` ("wire") and `protocol/device-semantics.md` ("semantics").

pub mod channel;
pub mod ddi;
pub mod emulator;
mod error;
pub mod node;
pub mod partition;
pub mod raw_rsa;

pub use error::{Error, Result};
