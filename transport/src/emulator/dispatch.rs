//! From a frame to a command and back: the firmware's order of checks (semantics 1.2; wire 2.4, B.1).

use std::sync::Arc;

use super::partition::{Partition, SESSIONS, Ticket};
use crate::channel::Control;
use crate::ddi::{
    ApiRev, CodecError, Dialect, Opcode, RequestHeader, ResponseHeader, SessionControl, Status, Wire, command,
    decode_body, decode_request_header, encode_error, encode_response, mbor::Reader,
};

/// What a command did to the handle that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing.
    Unchanged,
    /// It owns this session now.
    Opened(u16),
    /// It owns no session any more.
    Closed,
}

/// Where a command's answer goes.
#[derive(Debug)]
pub(crate) struct Reply<'o> {
    header: ResponseHeader,
    dialect: Dialect,
    out: &'o mut Vec<u8>,
}

impl Reply<'_> {
    /// The answer of a command that worked.
    pub(crate) fn ok<'b>(&mut self, body: &impl Wire<'b>) -> Result<(), Status> {
        encode_response(&self.header, body, self.dialect, self.out).map_err(|_| Status::DDI_ENCODE_FAILED)
    }

    /// The answer as it was written.
    pub(crate) fn frame(&mut self) -> &mut [u8] {
        self.out
    }

    /// The wire dialect.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The session that a command opened.
    pub(crate) fn set_session(&mut self, session: u16) {
        self.header.session = Some(session);
    }

    /// Another opcode than the request's.
    pub(crate) fn set_opcode(&mut self, opcode: Opcode) {
        self.header.op = opcode;
    }

    /// Not in approved mode, whatever the partition's state.
    pub(crate) fn unapproved(&mut self) {
        self.header.fips_approved = false;
    }
}

/// A request's header, and a reader that stands before its body.
pub(crate) type Parsed<'a> = Result<(RequestHeader, Reader<'a>), CodecError>;

impl Partition {
    /// Reads a request's header.
    pub(crate) fn parse<'a>(&self, request: &'a [u8]) -> Parsed<'a> {
        decode_request_header(request, self.options.kind.dialect())
    }

    /// Answers a request. Whatever the request is, there is an answer.
    pub(crate) fn answer(&self, control: Control, request: &Parsed<'_>, out: &mut Vec<u8>) -> Outcome {
        let dialect = self.options.kind.dialect();
        let Ok((header, body)) = request.clone() else {
            encode_error(&ResponseHeader::unparsable(), out);
            return Outcome::Unchanged;
        };
        let mut reply = Reply { header: ResponseHeader::answering(&header, Status::SUCCESS), dialect, out };
        reply.header.fips_approved = self.options.fips_approved;
        match self.command(control, &header, body, &mut reply) {
            Ok(outcome) => outcome,
            Err(status) => {
                let mut header = ResponseHeader::answering(&header, status);
                if status == Status::PARTITION_NOT_PROVISIONED {
                    header.session = None;
                }
                encode_error(&header, out);
                Outcome::Unchanged
            }
        }
    }

    /// Answers a request with a status and does nothing.
    pub(crate) fn refuse(request: &Parsed<'_>, status: Status, out: &mut Vec<u8>) {
        match request {
            Ok((header, _)) => encode_error(&ResponseHeader::answering(header, status), out),
            Err(_) => encode_error(&ResponseHeader::unparsable(), out),
        }
    }

    fn command(
        &self,
        control: Control,
        header: &RequestHeader,
        body: Reader<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<Outcome, Status> {
        let kind = header.op.control();
        agree(control, header)?;
        match kind {
            SessionControl::NoSession => {
                revision(header)?;
                self.without_session(header.op, body, reply)?;
                Ok(Outcome::Unchanged)
            }
            SessionControl::Open => {
                revision(header)?;
                let rev = header.rev.ok_or(Status::UNSUPPORTED_REVISION)?;
                self.open_session(&read(body)?, rev, reply).map(Outcome::Opened)
            }
            SessionControl::Close => {
                let (session, _) = self.find_session(header)?;
                let command::CloseSession = read(body)?;
                self.close(session);
                reply.ok(&command::CloseSessionResponse)?;
                Ok(Outcome::Closed)
            }
            SessionControl::InSession => {
                let (session, ticket) = self.find_session(header)?;
                if header.op == Opcode::REOPEN_SESSION {
                    self.reopen_session(&read(body)?, session, header.rev, reply)?;
                    return Ok(Outcome::Unchanged);
                }
                let ticket = ticket.ok_or(Status::SESSION_NEEDS_RENEGOTIATION)?;
                self.in_session(header.op, &ticket, body, reply)?;
                Ok(Outcome::Unchanged)
            }
        }
    }

    /// The session of an InSession or Close command, and its ticket unless it needs renegotiation.
    fn find_session(&self, header: &RequestHeader) -> Result<(u8, Option<Ticket>), Status> {
        let id = header.session.ok_or(Status::INVALID_ARG)?;
        let number = u8::try_from(id).ok().filter(|id| usize::from(*id) < SESSIONS);
        let number = number.ok_or(Status::VAULT_SESSION_LIMIT_REACHED)?;
        let state = self.state();
        let session = state.sessions[usize::from(number)].as_ref().ok_or(Status::SESSION_NOT_FOUND)?;
        let may_be_flagged = matches!(header.op, Opcode::REOPEN_SESSION | Opcode::CLOSE_SESSION);
        if session.smk.is_none() && !may_be_flagged {
            return Err(Status::SESSION_NEEDS_RENEGOTIATION);
        }
        if session.smk.is_some() && header.rev != Some(session.rev) {
            return Err(Status::UNSUPPORTED_REVISION);
        }
        let Some(provisioned) = &state.provisioned else {
            return match header.op {
                Opcode::CLOSE_SESSION => Ok((number, None)),
                _ => Err(Status::PARTITION_NOT_PROVISIONED),
            };
        };
        let ticket = session.smk.as_ref().map(|smk| Ticket {
            session: number,
            serial: session.serial,
            mk: Arc::clone(&provisioned.mk),
            smk: Arc::clone(smk),
        });
        Ok((number, ticket))
    }

    fn without_session(&self, op: Opcode, body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        match op {
            Opcode::GET_API_REV => {
                let command::GetApiRev = read(body)?;
                reply.unapproved();
                reply.ok(&command::GetApiRevResponse { min: REVISION, max: REVISION })
            }
            Opcode::GET_DEVICE_INFO => self.get_device_info(read(body)?, reply),
            Opcode::GET_CERT_CHAIN_INFO => self.get_cert_chain_info(&read(body)?, reply),
            Opcode::GET_CERTIFICATE => self.get_certificate(&read(body)?, reply),
            Opcode::GET_ESTABLISH_CRED_ENCRYPTION_KEY => {
                let command::GetEstablishCredEncryptionKey = read(body)?;
                self.get_establish_key(reply)
            }
            Opcode::ESTABLISH_CREDENTIAL => self.establish_credential(&read(body)?, reply),
            Opcode::GET_SESSION_ENCRYPTION_KEY => {
                let command::GetSessionEncryptionKey = read(body)?;
                self.get_session_key(reply)
            }
            Opcode::INIT_BK3 => self.init_bk3(body, reply),
            Opcode::GET_SEALED_BK3 => {
                let command::GetSealedBk3 = read(body)?;
                self.get_sealed_bk3(reply)
            }
            Opcode::SET_SEALED_BK3 => self.set_sealed_bk3(body, reply),
            _ => Err(Status::UNSUPPORTED_CMD),
        }
    }

    fn in_session(&self, op: Opcode, ticket: &Ticket, body: Reader<'_>, reply: &mut Reply<'_>) -> Result<(), Status> {
        match op {
            Opcode::AES_ENCRYPT_DECRYPT => self.aes_encrypt_decrypt(&read(body)?, ticket, reply),
            Opcode::HMAC => self.hmac(&read(body)?, ticket, reply),
            Opcode::ECC_SIGN => self.ecc_sign(&read(body)?, ticket, reply),
            Opcode::RSA_MOD_EXP => self.rsa_mod_exp(&read(body)?, ticket, reply),
            Opcode::HKDF_DERIVE => self.hkdf_derive(&read(body)?, ticket, reply),
            Opcode::KBKDF_COUNTER_HMAC_DERIVE => self.kbkdf_derive(&read(body)?, ticket, reply),
            Opcode::ECDH_KEY_EXCHANGE => self.ecdh_key_exchange(&read(body)?, ticket, reply),
            Opcode::UNMASK_KEY => self.unmask_key(&read(body)?, ticket, reply),
            Opcode::DELETE_KEY => self.delete_key(&read(body)?, ticket, reply),
            Opcode::OPEN_KEY => self.open_key(&read(body)?, ticket, reply),
            Opcode::AES_GENERATE_KEY => self.aes_generate_key(&read(body)?, ticket, reply),
            Opcode::ECC_GENERATE_KEY_PAIR => self.ecc_generate_key_pair(&read(body)?, ticket, reply),
            Opcode::RSA_UNWRAP => self.rsa_unwrap(&read(body)?, ticket, reply),
            Opcode::GET_UNWRAPPING_KEY => {
                let command::GetUnwrappingKey = read(body)?;
                self.get_unwrapping_key(ticket, reply)
            }
            Opcode::ATTEST_KEY => self.attest_key(&read(body)?, ticket, reply),
            Opcode::CHANGE_PIN => self.change_pin(&read(body)?, ticket, reply),
            _ => Err(Status::UNSUPPORTED_CMD),
        }
    }
}

/// Reads a body; what is wrong with it beyond its layout has statuses of its own.
pub(crate) fn read<'a, T: Wire<'a>>(body: Reader<'a>) -> Result<T, Status> {
    decode_body(body).map_err(|cause| match cause {
        CodecError::DigestLength { .. } | CodecError::KeyKind(_) => Status::INVALID_ARG,
        CodecError::RawKeyLength { .. } => Status::ECC_DER_KEY_SHORTER_THAN_CURVE,
        CodecError::ComponentRange => Status::ECC_PUBLIC_KEY_VALIDATION_FAILED,
        CodecError::SignatureLength { .. } => Status::ECC_VERIFY_FAILED,
        _ => Status::DDI_DECODE_FAILED,
    })
}

/// Descriptor, opcode and header must agree about the session.
fn agree(control: Control, header: &RequestHeader) -> Result<(), Status> {
    let kind = header.op.control();
    if control.kind != kind {
        return Err(Status::INVALID_ARG);
    }
    match kind {
        SessionControl::Open if control.session.is_some() => Err(Status::SESSION_NOT_EXPECTED),
        SessionControl::NoSession | SessionControl::Open if header.session.is_some() => Err(Status::INVALID_ARG),
        SessionControl::Close | SessionControl::InSession
            if header.session.is_none() || header.session != control.session =>
        {
            Err(Status::INVALID_ARG)
        }
        _ => Ok(()),
    }
}

/// The revision rule of commands outside a session (semantics 1).
fn revision(header: &RequestHeader) -> Result<(), Status> {
    let fits = match header.rev {
        None => header.op == Opcode::GET_API_REV,
        Some(rev) => header.op != Opcode::GET_API_REV && rev == REVISION,
    };
    if fits { Ok(()) } else { Err(Status::UNSUPPORTED_REVISION) }
}

/// The only API revision.
pub(crate) const REVISION: ApiRev = ApiRev { major: 1, minor: 0 };
