//! AttestKey: a COSE_Sign1 report by the PID key (semantics 6.11).

use std::sync::Arc;

use super::dispatch::Reply;
use super::keys::Material;
use super::partition::{Partition, Ticket};
use super::vault::Owner;
use crate::ddi::command::{AttestKey, AttestKeyResponse};
use crate::ddi::{EccCurve, Opcode, Status, Usage};

impl Partition {
    pub(super) fn attest_key(
        &self,
        request: &AttestKey<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let report_data: &[u8; 128] = request.report_data.try_into().map_err(|_| Status::INVALID_ARG)?;
        let state = self.state();
        let entry = state.vault.entry(request.key_id).ok_or(Status::KEY_NOT_FOUND)?;
        let asymmetric = matches!(*entry.material, Material::Rsa(_) | Material::EcSign(..) | Material::EcDerive(..));
        match entry.owner {
            Owner::Internal if entry.usage != Some(Usage::Unwrap) => return Err(Status::INVALID_PERMISSIONS),
            // The firmware does not look at the owner of symmetric keys (semantics 5.6).
            Owner::Session(owner) if asymmetric && owner != ticket.session => return Err(Status::INVALID_PERMISSIONS),
            _ => {}
        }
        let session = matches!(entry.owner, Owner::Session(_));
        let flags = flags(entry.local, session, entry.usage);
        let material = Arc::clone(&entry.material);
        let app_id = state.credential.as_ref().map(|credential| credential.id).ok_or(Status::APP_NOT_FOUND)?;
        let identity = Arc::clone(&state.identity);
        let guid = state.vm_launch_guid;
        drop(state);
        let payload = payload(&cose_key(&material), flags, &app_id, report_data, &guid)?;
        let mut signed = Vec::with_capacity(payload.len() + 48);
        signed.extend([0x84, 0x6a]);
        signed.extend_from_slice(b"Signature1");
        bytes(&mut signed, PROTECTED);
        bytes(&mut signed, &[]);
        bytes(&mut signed, &payload);
        let signature = identity.sign(&signed).map_err(|_| Status::ATTEST_KEY_ERROR)?;
        let mut report = Vec::with_capacity(834);
        report.extend([0xd2, 0x84]);
        bytes(&mut report, PROTECTED);
        report.push(0xa0);
        bytes(&mut report, &payload);
        bytes(&mut report, &signature);
        if self.options.attest_opcode_quirk {
            reply.set_opcode(Opcode::ECC_SIGN);
        }
        reply.ok(&AttestKeyResponse { report: &report })
    }
}

fn payload(
    cose_key: &[u8],
    flags: u32,
    app_id: &[u8; 16],
    report_data: &[u8; 128],
    guid: &[u8; 16],
) -> Result<Vec<u8>, Status> {
    let mut padded = [0; COSE_KEY_ROOM];
    padded.get_mut(..cose_key.len()).ok_or(Status::COSE_KEY_ENCODE_FAILED)?.copy_from_slice(cose_key);
    let length = u32::try_from(cose_key.len()).map_err(|_| Status::COSE_KEY_ENCODE_FAILED)?;
    let mut out = vec![0xa7];
    out.push(0);
    uint(&mut out, 0, 1);
    out.push(1);
    bytes(&mut out, &padded);
    out.push(2);
    uint(&mut out, 0, length);
    out.push(3);
    uint(&mut out, 0, flags);
    out.push(4);
    bytes(&mut out, app_id);
    out.push(5);
    bytes(&mut out, report_data);
    out.push(6);
    bytes(&mut out, guid);
    Ok(out)
}

/// The public half as a COSE_Key (RFC 9053); empty for a symmetric key.
fn cose_key(material: &Material) -> Vec<u8> {
    let mut out = Vec::new();
    match material {
        Material::Rsa(rsa) => {
            out.extend([0xa3, 0x01, 0x03, 0x20]);
            bytes(&mut out, rsa.modulus());
            out.push(0x21);
            bytes(&mut out, &rsa.exponent());
        }
        Material::EcSign(public, _) | Material::EcDerive(public, _) => {
            let curve = match public.curve {
                EccCurve::P256 => 1,
                EccCurve::P384 => 2,
                _ => 3,
            };
            let (x, y) = public.point[1..].split_at(public.point.len() / 2);
            out.extend([0xa4, 0x01, 0x02, 0x20, curve, 0x21]);
            bytes(&mut out, x);
            out.push(0x22);
            bytes(&mut out, y);
        }
        _ => {}
    }
    out
}

/// Bits of semantics 6.11: imported 0, session 1, generated 2, encrypt 3, decrypt 4, sign 5, verify 6, unwrap 8, derive 9.
fn flags(local: bool, session: bool, usage: Option<Usage>) -> u32 {
    let origin = if local { 1 << 2 } else { 1 };
    let session = if session { 1 << 1 } else { 0 };
    let usage = match usage {
        Some(Usage::EncryptDecrypt) => 1 << 3 | 1 << 4,
        Some(Usage::SignVerify) => 1 << 5 | 1 << 6,
        Some(Usage::Derive) => 1 << 9,
        Some(Usage::Unwrap) => 1 << 8,
        None => 0,
    };
    origin | session | usage
}

/// A CBOR byte string (RFC 8949).
fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    uint(out, 0x40, u32::try_from(value.len()).expect("a report is below 1 KiB"));
    out.extend_from_slice(value);
}

/// A CBOR head in shortest form: major type in the high bits of `major`.
fn uint(out: &mut Vec<u8>, major: u8, value: u32) {
    let [_, _, high, low] = value.to_be_bytes();
    match value {
        0..=23 => out.push(major | low),
        24..=0xff => out.extend([major | 0x18, low]),
        0x100..=0xffff => out.extend([major | 0x19, high, low]),
        _ => {
            out.push(major | 0x1a);
            out.extend(value.to_be_bytes());
        }
    }
}

/// `{ 1: -35 (ES384), 3: "application/cbor" }`.
const PROTECTED: &[u8] = b"\xa2\x01\x38\x22\x03\x70application/cbor";
const COSE_KEY_ROOM: usize = 525;
