//! What of the emulator can be chosen. Every default is what the firmware does (semantics 9.1, rows marked "Opt").

use std::path::PathBuf;

use serde::Deserialize;

use super::faults::Fault;
use crate::ddi::Dialect;

/// How to make an emulated device.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the one durable file; made with mode 0700 when it is not there.
    pub folder: PathBuf,
    /// What to emulate.
    pub options: Options,
}

/// The device kind that GetDeviceInfo reports (wire 3.4), which selects the wire dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// DER and big-endian numbers on the wire.
    Virtual,
    /// Raw little-endian numbers on the wire.
    Physical,
}

impl Kind {
    /// The form of numbers and keys on the wire.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Virtual => Dialect::Virtual,
            Self::Physical => Dialect::Physical,
        }
    }
}

/// The PIN lockout policy (semantics 3.8).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lockout {
    /// `false`: wrong credentials cost nothing, as in the vendor's simulator.
    pub enabled: bool,
    /// Wrong logins until the delay grows by one step.
    pub attempts: u16,
    /// One step of the delay, in seconds.
    pub step_seconds: u64,
    /// Steps after which the counters wrap to zero.
    pub max_steps: u16,
}

impl Default for Lockout {
    fn default() -> Self {
        Self { enabled: true, attempts: 1000, step_seconds: 60, max_steps: 32 }
    }
}

/// Behaviour of the emulated device. The default of every field is the firmware's behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of semantics 9.1")]
pub struct Options {
    /// Which device kind, and so which wire dialect.
    pub kind: Kind,
    /// Key tables of the partition, 1 to 65.
    pub tables: u8,
    /// Module approval state: reported, and the digest rules of semantics 6.7 follow it.
    pub fips_approved: bool,
    /// Security version of the emulated firmware (semantics 7.5).
    pub svn: u64,
    /// InitBk3 works once per life of the durable file; `false`: any number of times (row 10).
    pub init_bk3_once: bool,
    /// A failed provisioning takes the credential back (row 9).
    pub provisioning_rolls_back: bool,
    /// PIN lockout (row 11).
    pub lockout: Lockout,
    /// Bulk key ids equal key ids, as in the simulator (row 18).
    pub bulk_id_is_key_id: bool,
    /// An approved GCM key encrypts under the device's own IV (row 17).
    pub device_iv: bool,
    /// HKDF without a salt uses 256 zero bytes; the default `false` is RFC 5869 (row 21).
    pub hkdf_absent_salt_quirk: bool,
    /// KBKDF runs over an HKDF of the secret; the default `false` is SP 800-108 of the secret (row 21).
    pub kbkdf_production_quirk: bool,
    /// UnmaskKey answers the blob it was given instead of a freshly masked one (row 23).
    pub unmask_echo: bool,
    /// EstablishCredential and ReopenSession answer the blob they were given (row 24).
    pub bmk_echo: bool,
    /// How many times GetUnwrappingKey answers PendingKeyGeneration in one life (row 27).
    pub pending_unwrapping_key_polls: u32,
    /// AttestKey's response header names EccSign (row 28).
    pub attest_opcode_quirk: bool,
    /// GetCertificate fails before the first GetCertChainInfo (row 29).
    pub certificate_needs_info: bool,
    /// DeleteKey of a key that another thread is using answers CannotDeleteKeyInUse (row 33).
    pub busy_keys: bool,
    /// Faults to inject, from the first command on.
    pub faults: Vec<Fault>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kind: Kind::Physical,
            tables: 1,
            fips_approved: false,
            svn: 1,
            init_bk3_once: true,
            provisioning_rolls_back: true,
            lockout: Lockout::default(),
            bulk_id_is_key_id: false,
            device_iv: true,
            hkdf_absent_salt_quirk: false,
            kbkdf_production_quirk: false,
            unmask_echo: false,
            bmk_echo: false,
            pending_unwrapping_key_polls: 0,
            attest_opcode_quirk: true,
            certificate_needs_info: true,
            busy_keys: false,
            faults: Vec::new(),
        }
    }
}

/// Security versions that a firmware opens blobs of: its own and the ten before (semantics 7.5).
pub(crate) const SVN_WINDOW: u64 = 11;

/// Most tables that exist device-wide (semantics 1).
pub(crate) const MAX_TABLES: u8 = 65;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_json_and_unknown_ones_refused() {
        let options: Options =
            serde_json::from_str(r#"{"kind":"virtual","tables":4,"lockout":{"attempts":3}}"#).unwrap();
        assert_eq!((options.kind, options.tables, options.lockout.attempts), (Kind::Virtual, 4, 3));
        assert_eq!(options.lockout.step_seconds, 60);
        assert_eq!(serde_json::from_str::<Options>("{}").unwrap(), Options::default());
        assert!(serde_json::from_str::<Options>(r#"{"tabels":4}"#).is_err());
    }
}
