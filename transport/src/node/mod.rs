//! The carrier over Linux device nodes (wire 5 and 6): `/dev/azihsm<N>`, ioctl, and nothing that knows frames.
//!
//! | File | What it does |
//! |---|---|
//! | `mod.rs` | which nodes there are, what they say they are |
//! | `handle.rs` | one open file: frames, AES-GCM, AES-XTS, reset; forks |
//! | `outcome.rs` | from return value, driver code and device status to one typed error |
//! | `aad.rs`, `scratch.rs` | the layout of a GCM buffer; the buffers |
//! | `layouts.rs` | the structures and numbers of the driver's ABI |
//! | `ioctl.rs` | the system calls, and the door for a driver that is not there |
//!
//! What is refused here before a call, because the driver or the device would make something worse of it: requests over
//! 4096 bytes or empty, a session id on a command that takes none, an empty GCM payload, and buffers that the driver would
//! overrun. Everything else is the driver's and the device's to refuse.

mod aad;
mod handle;
mod ioctl;
mod layouts;
mod outcome;
mod scratch;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::handle::Handle;
use self::ioctl::{Driver, Linux};
use self::layouts::InfoArgument;
use crate::channel::{Channel, ChannelError, Device, DeviceInfo};

/// The nodes of this machine, in the order of their numbers. None is opened: whether one can be used is what
/// [`Device::info`] says, and one where that fails is to be named in the log and left out.
pub fn devices() -> Vec<Arc<Node>> {
    devices_in(Path::new("/dev"))
}

/// The nodes in a folder that stands for `/dev`. A folder that cannot be read has none.
pub fn devices_in(folder: &Path) -> Vec<Arc<Node>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let driver: Arc<dyn Driver> = Arc::new(Linux);
    let mut nodes: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = node_number(entry.file_name().to_str()?)?;
            Some(Arc::new(Node { path: entry.path(), number, driver: Arc::clone(&driver) }))
        })
        .collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

/// The number of a client node by its name: `azihsm` and digits, as the kernel writes them. The management nodes of
/// physical functions, `azihsm-mgmt<N>`, share the prefix (wire 5.1).
fn node_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("azihsm")?;
    let number: u32 = digits.parse().ok()?;
    // Neither a sign nor leading zeros: two names are never one number.
    (number.to_string() == digits).then_some(number)
}

/// A device node. `Send + Sync`: it holds a name, and every open has a handle of its own.
///
/// The number is an order, not an identity: it can be another one after a reboot (wire 5.1).
#[derive(Debug)]
pub struct Node {
    path: PathBuf,
    number: u32,
    driver: Arc<dyn Driver>,
}

impl Node {
    /// Where the node is, for instance `/dev/azihsm0`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The `<N>` of its name.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// All that the driver tells of the device (wire 5.8). Opens the node for it, and closes it.
    pub fn details(&self) -> Result<NodeDetails, ChannelError> {
        Ok(NodeDetails::from(self.handle()?.info()?))
    }

    fn handle(&self) -> Result<Handle, ChannelError> {
        Handle::open(Arc::clone(&self.driver), &self.path)
    }
}

impl Device for Node {
    fn info(&self) -> Result<DeviceInfo, ChannelError> {
        let details = self.details()?;
        Ok(DeviceInfo {
            name: self.path.to_string_lossy().into_owned(),
            serial: details.serial,
            firmware: details.firmware,
            emulated: false,
        })
    }

    fn open(&self) -> Result<Box<dyn Channel>, ChannelError> {
        Ok(Box::new(self.handle()?))
    }

    fn reset(&self) -> Result<(), ChannelError> {
        self.handle()?.reset()
    }
}

/// What the driver tells of a device (wire 5.8). Texts are trimmed of NULs and spaces, and bytes that are no text are
/// replaced.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeDetails {
    /// The controller's id.
    pub controller: u16,
    /// PCI address, for instance `0000:65:00.0`.
    pub pci_address: String,
    /// Serial number, at most 32 bytes of the controller's own.
    pub serial: String,
    /// Firmware revision, at most 32 bytes of the controller's own.
    pub firmware: String,
    /// The driver's version.
    pub driver: String,
    /// 32 bytes that the driver draws when it initialises the controller: others after every full reset, and the same for
    /// every process until then.
    pub entropy: [u8; 32],
}

impl From<InfoArgument> for NodeDetails {
    fn from(info: InfoArgument) -> Self {
        Self {
            controller: info.id,
            pci_address: text(&info.pci_info),
            serial: text(&info.serial_num),
            firmware: text(&info.firmware_rev),
            driver: text(&info.driver_rev),
            entropy: info.device_entropy,
        }
    }
}

impl fmt::Debug for NodeDetails {
    /// Without the entropy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeDetails")
            .field("controller", &self.controller)
            .field("pci_address", &self.pci_address)
            .field("serial", &self.serial)
            .field("firmware", &self.firmware)
            .field("driver", &self.driver)
            .finish_non_exhaustive()
    }
}

/// A text of fixed size, which nobody promises to be UTF-8, printable, or terminated where it ends (wire 5.8). It goes into
/// logs, so control characters are replaced too.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_matches(['\0', ' '])
        .chars()
        .map(|character| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character })
        .collect()
}
