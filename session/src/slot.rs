//! Slot and token management: `C_GetSlotList` to `C_SetPIN`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mechanisms::ck::MechanismType;
use mechanisms::key::Policy;
use mechanisms::table::{self, Row};
use transport::channel::{ChannelError, Device};
use transport::emulator::{self, Emulator};
use transport::node::{self, Node, NodeDetails};
use zeroize::Zeroizing;

use crate::call::{Argument, SessionHandle, SlotId};
use crate::config::{Config, Transport};
use crate::library::Library;
use crate::log::{self, Level};
use crate::pin_slots::{PIN_LEN, Role};
use crate::store::Store;
use crate::token::{Facts, Opener, Token};
use crate::{Code, Result};

/// A slot: one partition, which is always there. `Send + Sync`.
#[derive(Debug)]
pub struct Slot {
    /// Its number. Of an emulated partition, stable over restarts; of a device, the `<N>` of its node, which the kernel
    /// gives out in the order of its finds.
    pub id: SlotId,
    /// Whether the partition is the emulator's: the slot's flags and strings say so.
    pub emulated: bool,
    /// What is in it.
    pub token: Arc<Token>,
}

/// `CK_SLOT_INFO`; strings are padded by the boundary.
#[derive(Clone, Debug)]
pub struct SlotInfo {
    /// At most 64 bytes.
    pub description: String,
    /// At most 32 bytes.
    pub manufacturer: String,
    /// `CKF_` flags.
    pub flags: u64,
    /// Hardware version.
    pub hardware: (u8, u8),
    /// Firmware version.
    pub firmware: (u8, u8),
}

/// `CK_TOKEN_INFO`; strings are padded by the boundary; the memory fields are `CK_UNAVAILABLE_INFORMATION`.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// Blank padded by the application at `C_InitToken`, 32 bytes.
    pub label: [u8; 32],
    /// At most 32 bytes.
    pub manufacturer: String,
    /// At most 16 bytes.
    pub model: String,
    /// At most 16 bytes.
    pub serial: String,
    /// `CKF_` flags.
    pub flags: u64,
    /// Open sessions of this process.
    pub sessions: u64,
    /// Open read/write sessions of this process.
    pub rw_sessions: u64,
    /// Shortest and longest PIN in bytes.
    pub pin_len: (u64, u64),
    /// Hardware version.
    pub hardware: (u8, u8),
    /// Firmware version.
    pub firmware: (u8, u8),
}

/// `CK_MECHANISM_INFO`.
#[derive(Clone, Copy, Debug)]
pub struct MechanismInfo {
    /// Smallest key, in the unit of the mechanism.
    pub min: u64,
    /// Largest key.
    pub max: u64,
    /// `CKF_` flags.
    pub flags: u64,
}

/// A PIN as the boundary read it; `None` is a null pointer (protected authentication path, which this token has not).
pub type Pin = Argument<Option<Zeroizing<Vec<u8>>>>;

/// `C_GetSlotList`. Every slot has its token in it, always.
pub fn slots(_token_present: bool) -> Result<Vec<SlotId>> {
    Ok(Library::current()?.slots.iter().map(|slot| slot.id).collect())
}

/// `C_GetSlotInfo`.
pub fn slot_info(slot: SlotId) -> Result<SlotInfo> {
    let library = Library::current()?;
    let (description, flags) = if library.slot(slot)?.emulated {
        // No CKF_HW_SLOT: an emulated partition is no hardware.
        ("Azure Integrated HSM (emulated)", cryptoki_sys::CKF_TOKEN_PRESENT)
    } else {
        ("Azure Integrated HSM", cryptoki_sys::CKF_TOKEN_PRESENT | cryptoki_sys::CKF_HW_SLOT)
    };
    Ok(SlotInfo {
        description: description.to_owned(),
        manufacturer: MANUFACTURER.to_owned(),
        flags,
        hardware: (0, 0),
        firmware: (0, 0),
    })
}

/// `C_GetTokenInfo`.
pub fn token_info(slot: SlotId) -> Result<TokenInfo> {
    let library = Library::current()?;
    let place = library.slot(slot)?;
    let facts = place.token.facts()?;
    let (sessions, rw_sessions) = library.sessions.count(slot);
    let (min, max) = (*PIN_LEN.start() as u64, *PIN_LEN.end() as u64);
    Ok(TokenInfo {
        label: facts.row.as_ref().map_or([b' '; 32], |row| row.label),
        manufacturer: MANUFACTURER.to_owned(),
        model: if place.emulated { "AziHSM emulated" } else { "Azure Int. HSM" }.to_owned(),
        serial: facts.identity.serial.chars().take(16).collect(),
        flags: token_flags(&facts),
        sessions,
        rw_sessions,
        pin_len: (min, max),
        hardware: (0, 0),
        firmware: version(&facts.identity.firmware),
    })
}

/// `C_WaitForSlotEvent`: `CKR_NO_EVENT` is the boundary's, from `None`. Slots neither come nor go in a library's life, so that
/// to wait for an event is to wait for the end: "if a thread of an application has a C_WaitForSlotEvent call blocking when
/// another thread of that application calls C_Finalize, the C_WaitForSlotEvent call returns with the value
/// CKR_CRYPTOKI_NOT_INITIALIZED" (5.5.4).
pub fn wait_for_slot_event(block: bool) -> Result<Option<SlotId>> {
    let ending = Library::current()?.ending.clone();
    if !block {
        return Ok(None);
    }
    ending.wait();
    Err(Code::CryptokiNotInitialized.into())
}

/// `C_GetMechanismList`.
pub fn mechanisms(slot: SlotId) -> Result<Vec<MechanismType>> {
    let library = Library::current()?;
    library.slot(slot)?;
    Ok(table::rows().filter(|row| allowed(row, library.config.policy)).map(|row| row.kind).collect())
}

/// `C_GetMechanismInfo`.
pub fn mechanism_info(slot: SlotId, kind: MechanismType) -> Result<MechanismInfo> {
    let library = Library::current()?;
    library.slot(slot)?;
    let row = table::row(kind).filter(|row| allowed(row, library.config.policy)).ok_or(Code::MechanismInvalid)?;
    Ok(MechanismInfo { min: row.min_size as u64, max: row.max_size as u64, flags: row.flags() })
}

/// `C_InitToken`.
#[expect(clippy::needless_pass_by_value, reason = "the boundary hands over its only copy, which is erased here")]
pub fn init_token(slot: SlotId, so_pin: Pin, label: Argument<[u8; 32]>) -> Result<()> {
    let library = Library::current()?;
    let slot = library.slot(slot)?;
    let label = label?;
    if library.sessions.count(slot.id).0 > 0 {
        return Err(Code::SessionExists.into());
    }
    slot.token.initialize(&so_pin, label).map_err(|error| match error.code() {
        // The standard's list for C_InitToken has no CKR_PIN_LEN_RANGE (PKCS#11 v3.2, 5.5.7).
        Code::PinLenRange => Code::PinIncorrect.because(error),
        _ => error,
    })
}

/// `C_InitPIN`.
#[expect(clippy::needless_pass_by_value, reason = "the boundary hands over its only copy, which is erased here")]
pub fn init_pin(session: SessionHandle, pin: Pin) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    session.slot.token.initialize_pin(&pin)
}

/// `C_SetPIN`.
#[expect(clippy::needless_pass_by_value, reason = "the boundary hands over its only copy, which is erased here")]
pub fn set_pin(session: SessionHandle, old: Pin, new: Pin) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    if !session.read_write {
        return Err(Code::SessionReadOnly.into());
    }
    session.slot.token.set_pin(&old, &new)
}

/// The slots of a configuration: the device nodes in their order, else, where the configuration leaves the choice, the
/// emulated partitions.
///
/// A node that cannot be used costs its own slot and a log line, and nothing else. It also keeps the emulator away:
/// silently taking the emulator where there is a chip would be a weakening that nobody asked for.
pub(crate) fn configured(config: &Config) -> Vec<Arc<Slot>> {
    let nodes = match config.transport {
        Transport::Emulator => Vec::new(),
        Transport::Auto | Transport::Device => node::devices(),
    };
    if config.transport == Transport::Device && nodes.is_empty() {
        log::event(
            Level::Warn,
            format_args!(
                "transport \"device\", but there is no /dev/azihsm<N>: the azihsm kernel module makes it, a container has to \
                 be given it (--device), and the udev rule {UDEV_RULE} opens it to a group"
            ),
        );
    }
    if config.transport == Transport::Device || !nodes.is_empty() {
        // All of them together: one that is busy with a reset is waited for, and a dead one does not hold up a program
        // longer than that.
        let until = Instant::now() + Duration::from_millis(config.session_wait_ms).min(LONGEST_RESET);
        return nodes.into_iter().filter_map(|node| device(config, node, until)).map(Arc::new).collect();
    }
    (0..config.slots).map(|number| Arc::new(emulated(config, number))).collect()
}

/// The slot of a device node, with the token in `<state>/device-<PCI address>`.
///
/// Neither what the chip nor what the node is called would do. The partition's identity is another one after a live
/// migration (semantics 2.1), the serial number is that of a chip that the machine may leave, and node numbers are given
/// out anew at each boot (wire 5.1); the address is the machine's own name for the function. The driver tells it in one
/// ioctl, without a word to the device.
fn device(config: &Config, node: Arc<Node>, until: Instant) -> Option<Slot> {
    let NodeDetails { pci_address, firmware, driver, .. } = match details(&node, until) {
        Ok(details) => details,
        Err(cause) => {
            log::event(Level::Warn, format_args!("{} is left out: {cause}", node.path().display()));
            return None;
        }
    };
    let folder = config.state.join(folder_name(&pci_address, node.number()));
    log::event(
        Level::Info,
        format_args!(
            "{}: PCI address {pci_address:?}, firmware {firmware:?}, driver {driver:?}, token in {}",
            node.path().display(),
            folder.display()
        ),
    );
    let id = SlotId(node.number().into());
    let open: Opener = Box::new(move || Ok(Arc::clone(&node) as Arc<dyn Device>));
    Some(Slot { id, emulated: false, token: token(config, folder, open) })
}

/// What the driver tells of a node, asked again while it is in the middle of a reset.
fn details(node: &Node, until: Instant) -> Result<NodeDetails, ChannelError> {
    loop {
        match node.details() {
            Err(ChannelError::NotReady) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            outcome => return outcome,
        }
    }
}

/// A folder for the token of a device. The driver's text becomes a name that is a folder's and no path.
fn folder_name(pci_address: &str, number: u32) -> String {
    if pci_address.is_empty() {
        return format!("device{number}");
    }
    let plain = |character: char| if character.is_ascii_alphanumeric() || character == '.' { character } else { '_' };
    format!("device-{}", pci_address.chars().map(plain).collect::<String>())
}

/// Slot `number`, an emulated partition with everything of it in `<state>/slot<number>`.
fn emulated(config: &Config, number: u16) -> Slot {
    let folder = config.state.join(format!("slot{number}"));
    let (options, chip) = (config.emulator.clone(), folder.join("emulator"));
    let open: Opener = Box::new(move || {
        let emulator = Emulator::open(emulator::Config { folder: chip.clone(), options: options.clone() })?;
        Ok(emulator as Arc<dyn Device>)
    });
    Slot { id: SlotId(number.into()), emulated: true, token: token(config, folder, open) }
}

fn token(config: &Config, folder: PathBuf, open: Opener) -> Arc<Token> {
    let wait = Duration::from_millis(config.session_wait_ms);
    Arc::new(Token::new(Store::new(folder, config.durability), config.pin, wait, open))
}

pub(crate) fn allowed(row: &Row, policy: Policy) -> bool {
    policy == Policy::Standard || row.is_strict()
}

fn token_flags(facts: &Facts) -> u64 {
    let count = |role, low, last, locked| {
        let (wrong, most) = (facts.attempts.of(role), facts.max_attempts);
        let on = |condition: bool, flag| if condition { flag } else { 0 };
        on(wrong > 0, low) | on(wrong + 1 == most, last) | on(wrong >= most, locked)
    };
    let mut flags = ALWAYS;
    if let Some(row) = &facts.row {
        flags |= cryptoki_sys::CKF_TOKEN_INITIALIZED;
        flags |= count(
            Role::SecurityOfficer,
            cryptoki_sys::CKF_SO_PIN_COUNT_LOW,
            cryptoki_sys::CKF_SO_PIN_FINAL_TRY,
            cryptoki_sys::CKF_SO_PIN_LOCKED,
        );
        if row.user_pin {
            flags |= cryptoki_sys::CKF_USER_PIN_INITIALIZED;
            flags |= count(
                Role::User,
                cryptoki_sys::CKF_USER_PIN_COUNT_LOW,
                cryptoki_sys::CKF_USER_PIN_FINAL_TRY,
                cryptoki_sys::CKF_USER_PIN_LOCKED,
            );
        }
    }
    flags
}

/// Major and minor of a firmware revision like `1.2.3`; zeros where it has another form.
fn version(firmware: &str) -> (u8, u8) {
    let mut numbers = firmware.split('.').map(|number| number.trim().parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor),
        _ => (0, 0),
    }
}

const MANUFACTURER: &str = "azihsm-pkcs11";
/// The README's rule for the rights of a node.
const UDEV_RULE: &str = r#"KERNEL=="azihsm[0-9]*", GROUP="azihsm", MODE="0660""#;
/// The driver's own patience with a device (wire 5.7: 6 s), which bounds what `C_Initialize` waits for one.
const LONGEST_RESET: Duration = Duration::from_secs(6);

/// What every token is.
const ALWAYS: u64 = cryptoki_sys::CKF_RNG | cryptoki_sys::CKF_LOGIN_REQUIRED | cryptoki_sys::CKF_DUAL_CRYPTO_OPERATIONS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Attempts, Identity, TokenRow};

    #[test]
    fn a_device_is_known_by_its_address() {
        assert_eq!(folder_name("0000:65:00.0", 3), "device-0000_65_00.0");
        assert_eq!(folder_name("../x", 3), "device-.._x");
        assert_eq!(folder_name("", 3), "device3");
    }

    #[test]
    fn firmware_revisions_become_versions() {
        assert_eq!(version("1.2.3"), (1, 2));
        assert_eq!(version("emu"), (0, 0));
        assert_eq!(version("300.1"), (0, 0));
        assert_eq!(version(""), (0, 0));
    }

    #[test]
    fn flags_count_wrong_pins_down() {
        const USER: u64 = cryptoki_sys::CKF_USER_PIN_COUNT_LOW
            | cryptoki_sys::CKF_USER_PIN_FINAL_TRY
            | cryptoki_sys::CKF_USER_PIN_LOCKED;
        const SO: u64 =
            cryptoki_sys::CKF_SO_PIN_COUNT_LOW | cryptoki_sys::CKF_SO_PIN_FINAL_TRY | cryptoki_sys::CKF_SO_PIN_LOCKED;
        let facts = |security_officer, user| Facts {
            row: Some(TokenRow { token_id: [0; 16], label: [0; 32], identity: Identity::default(), user_pin: true }),
            identity: Identity::default(),
            attempts: Attempts { security_officer, user },
            max_attempts: 3,
        };
        let user = |wrong| token_flags(&facts(0, wrong)) & (USER | SO);
        assert_eq!(user(0), 0);
        assert_eq!(user(1), cryptoki_sys::CKF_USER_PIN_COUNT_LOW);
        assert_eq!(user(2), cryptoki_sys::CKF_USER_PIN_COUNT_LOW | cryptoki_sys::CKF_USER_PIN_FINAL_TRY);
        assert_eq!(user(3), cryptoki_sys::CKF_USER_PIN_COUNT_LOW | cryptoki_sys::CKF_USER_PIN_LOCKED);
        assert_eq!(token_flags(&facts(1, 0)) & (USER | SO), cryptoki_sys::CKF_SO_PIN_COUNT_LOW);
        let fresh = Facts { row: None, ..facts(3, 3) };
        assert_eq!(token_flags(&fresh), ALWAYS);
    }

    #[test]
    fn a_strict_token_makes_no_rsa_keys() {
        let row = |kind| table::row(kind).unwrap();
        assert!(allowed(row(MechanismType::RSA_PKCS_KEY_PAIR_GEN), Policy::Standard));
        assert!(!allowed(row(MechanismType::RSA_PKCS_KEY_PAIR_GEN), Policy::Strict));
        assert!(allowed(row(MechanismType::EC_KEY_PAIR_GEN), Policy::Strict));
    }
}
