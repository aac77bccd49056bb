//! Commands about the device and the partition: info, certificates, BK3 (semantics 1, 2.3, 6.12).

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::dispatch::{Reply, read};
use super::hierarchy;
use super::masked::{MaskingKey, Metadata};
use super::options::Kind;
use super::partition::Partition;
use crate::ddi::command::{
    GetCertChainInfo, GetCertChainInfoResponse, GetCertificate, GetCertificateResponse, GetDeviceInfo,
    GetDeviceInfoResponse, GetSealedBk3Response, InitBk3, InitBk3Response, SetSealedBk3, SetSealedBk3Response,
};
use crate::ddi::{DeviceKind, KeyType, Status, mbor::Reader};

impl Partition {
    pub(super) fn get_device_info(&self, _: GetDeviceInfo, reply: &mut Reply<'_>) -> Result<(), Status> {
        reply.unapproved();
        reply.ok(&GetDeviceInfoResponse {
            kind: match self.options.kind {
                Kind::Virtual => DeviceKind::VIRTUAL,
                Kind::Physical => DeviceKind::PHYSICAL,
            },
            tables: self.options.tables,
            fips_approved: self.options.fips_approved,
        })
    }

    pub(super) fn get_cert_chain_info(&self, request: &GetCertChainInfo, reply: &mut Reply<'_>) -> Result<(), Status> {
        if request.slot_id != 0 {
            return Err(Status::INVALID_ARG);
        }
        let mut state = self.state();
        state.chain_was_asked = true;
        let identity = std::sync::Arc::clone(&state.identity);
        drop(state);
        let num_certs = u8::try_from(identity.chain.len()).map_err(|_| Status::INTERNAL_ERROR)?;
        reply.ok(&GetCertChainInfoResponse { num_certs, thumbprint: &identity.thumbprint() })
    }

    pub(super) fn get_certificate(&self, request: &GetCertificate, reply: &mut Reply<'_>) -> Result<(), Status> {
        if request.slot_id != 0 {
            return Err(Status::INVALID_ARG);
        }
        let state = self.state();
        if self.options.certificate_needs_info && !state.chain_was_asked {
            return Err(Status::INVALID_CERTIFICATE);
        }
        let identity = std::sync::Arc::clone(&state.identity);
        drop(state);
        let certificate = identity.chain.get(usize::from(request.cert_id)).ok_or(Status::INVALID_CERTIFICATE)?;
        reply.ok(&GetCertificateResponse { certificate })
    }

    /// Whether BK3 was initialised is asked before the body is looked at (wire 3.3), and again under the file's lock.
    pub(super) fn init_bk3(&self, body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let once = self.options.init_bk3_once;
        let durable = self.file.load().map_err(|_| Status::INTERNAL_ERROR)?;
        if once && durable.bk_boot.is_some() {
            return Err(Status::BK3_ALREADY_INITIALIZED);
        }
        let request: InitBk3<'_> = read(body)?;
        if request.bk3.len() != 48 {
            return Err(Status::INVALID_ARG);
        }
        let mut random = Zeroizing::new([0; 48]);
        rand::fill(&mut *random).map_err(|_| Status::RNG_ERROR)?;
        let bk_boot = hierarchy::bk_boot(&random);
        let metadata = Metadata::internal(self.options.svn, KeyType::AES_CBC_256_HMAC_384, b"BK3", 48, true);
        let masked_bk3 = MaskingKey::new(&bk_boot).seal(&metadata, request.bk3)?;
        self.file
            .update(|durable| {
                if once && durable.bk_boot.is_some() {
                    return Err(Status::BK3_ALREADY_INITIALIZED);
                }
                durable.bk_boot = Some(bk_boot);
                Ok(())
            })
            .map_err(|_| Status::INTERNAL_ERROR)??;
        reply.ok(&InitBk3Response { masked_bk3: &masked_bk3, vm_launch_guid: &durable.vm_launch_guid })
    }

    pub(super) fn get_sealed_bk3(&self, reply: &mut Reply<'_>) -> Result<(), Status> {
        let durable = self.file.load().map_err(|_| Status::INTERNAL_ERROR)?;
        let sealed_bk3 = durable.sealed_bk3.ok_or(Status::SEALED_BK3_NOT_PRESENT)?;
        reply.ok(&GetSealedBk3Response { sealed_bk3: &sealed_bk3 })
    }

    pub(super) fn set_sealed_bk3(&self, body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        let durable = self.file.load().map_err(|_| Status::INTERNAL_ERROR)?;
        if durable.sealed_bk3.is_some() {
            return Err(Status::SEALED_BK3_ALREADY_SET);
        }
        let request: SetSealedBk3<'_> = read(body)?;
        if request.sealed_bk3.len() > MAX_SEALED_BK3 {
            return Err(Status::SEALED_BK3_TOO_LARGE);
        }
        self.file
            .update(|durable| {
                if durable.sealed_bk3.is_some() {
                    return Err(Status::SEALED_BK3_ALREADY_SET);
                }
                durable.sealed_bk3 = Some(request.sealed_bk3.to_vec());
                Ok(())
            })
            .map_err(|_| Status::INTERNAL_ERROR)??;
        reply.ok(&SetSealedBk3Response)
    }
}

/// The mailbox's size (semantics 2.3).
const MAX_SEALED_BK3: usize = 512;
