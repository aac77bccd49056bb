//! What the device is (wire 3.3).

use crate::ddi::wire::message;
use crate::ddi::{DeviceKind, Opcode, Request};

message! {
    /// Request of `GetDeviceInfo`.
    pub struct GetDeviceInfo;
}

impl Request<'_> for GetDeviceInfo {
    const OPCODE: Opcode = Opcode::GET_DEVICE_INFO;
    type Response<'r> = GetDeviceInfoResponse;
}

message! {
    /// Response of `GetDeviceInfo`.
    pub struct GetDeviceInfoResponse {
        /// Selects the dialect.
        1 kind: DeviceKind,
        /// Key-store tables of this function.
        2 tables: u8,
        /// Module approval state.
        3 fips_approved: bool,
    }
}
