//! One partition over the emulator, in both dialects, with `RustCrypto` and the recorded vectors as the second opinion.
//!
//! | File | What it covers |
//! |---|---|
//! | `provisioning` | first start, cold start, what is stored when, blobs of another owner |
//! | `asymmetric` | EC and RSA: generated, imported, signed, decrypted, agreed |
//! | `symmetric` | AES-CBC, AES-GCM, HMAC, HKDF, secrets and their facets, sealing |
//! | `duties` | the table: a test per host duty and per reaction of semantics 9.2, 9.3 |
//! | `cache` | more keys than fit, several threads, keys that vanish |
//! | `processes` | two processes on one token |
//! | `recovery` | a reset, a migration or an abort at every single command |
//! | `wrapped` | keys that others wrapped to the partition |
//! | `rig`, `oracle`, `vectors` | the emulator and a store in memory; `RustCrypto`; the data files |

mod asymmetric;
mod cache;
mod duties;
mod oracle;
mod processes;
mod provisioning;
mod recovery;
mod rig;
mod symmetric;
mod vectors;
mod wrapped;
mod xts;
