//! The C ABI of PKCS#11 and nothing else.
//!
//! | Room | What it is |
//! |---|---|
//! | `entry` | the exported functions, one file per chapter of the standard: pointers to values, values to pointers |
//! | `boundary` | `entry_points!`: each function declared once gets its export, panic guard, log line and `CK_RV` |
//! | `tables` | the function lists 3.2, 3.0 and 2.40, and the interfaces that name them |
//! | `memory` | all caller memory: `Input`, `Output`, `Place`, `Array`, `Query`, templates, mechanism parameters |
//!
//! What a function does is behind it, in `session`, in the file of the same name. Nothing is exported but `C_*`.

mod boundary;
mod entry;
mod memory;
mod tables;
